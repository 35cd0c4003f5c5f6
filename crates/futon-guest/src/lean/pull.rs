//! `pull`: brings the bundle, unless a payload has brought it already.

use std::{io::BufReader, path::Path};

use futon_model::ImageReference;
use guest_net::{Context, Error, Result, http::Request};

use super::{bundle, disk};
use crate::exchange::{Exchange, SHORT, TRANSFER};

/// The bundle's name at the exchange.
const FILE: &str = "/bundle.tar";
/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// Brings the bundle and checks that it has the images.
pub(super) fn run(images: &[String]) -> Result<()> {
    if !crate::gem5::is_wanted() {
        let exchange = Exchange::find()?;
        fetch(&exchange, images)?;
    }
    let bundle = bundle::read()?;
    if let Some(refused) = &bundle.refused {
        return Err(Error::new(format!("cannot pull {}: {}", refused.image, refused.why)));
    }
    for image in images {
        let container = bundle.containers.iter().find(|container| container.image == *image);
        let container = container.ok_or_else(|| Error::new(format!("the bundle has no image {image}")))?;
        println!("{image} is {}", container.image_id);
    }
    Ok(())
}

fn fetch(exchange: &Exchange, images: &[String]) -> Result<()> {
    // The registry is the witness of what the host has.
    for image in images {
        let reference: ImageReference = image.parse().map_err(|error| Error::new(format!("{error}")))?;
        let version = reference
            .digest()
            .map_or_else(|| reference.tag().unwrap_or("latest").to_owned(), |digest| digest.as_str().to_owned());
        // As an engine asks its mirror: other registries' names say whose they are.
        let space =
            if reference.is_default_registry() { String::new() } else { format!("?ns={}", reference.registry()) };
        let path = format!("/v2/{}/manifests/{version}{space}", reference.repository());
        let request = Request { method: "HEAD", ..Request::get(&path) };
        let response = exchange.send_plain(SHORT, request).context("the exchange does not answer")?;
        if response.status != 200 {
            return Err(Error::new(format!(
                "cannot pull {image}: {} does not have it (status {}); hint: futon images add",
                exchange.target(),
                response.status
            )));
        }
    }
    let folder = Path::new(bundle::FOLDER);
    let length = match disk::open().context("the bundle's disk")? {
        Some(mut disk) => guest_unpack::unpack(&mut disk, folder)?,
        None => {
            let response = exchange.send(TRANSFER, Request::get(FILE)).context("the exchange does not answer")?;
            if response.status != 200 {
                let status = response.status;
                return Err(Error::new(format!("no bundle: {} answered with status {status}", exchange.target())));
            }
            guest_unpack::unpack(&mut BufReader::with_capacity(PIECE, response.body), folder)?
        }
    };
    println!("bundle of {} KiB unpacked", length.div_ceil(1024));
    Ok(())
}
