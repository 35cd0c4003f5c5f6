//! `GET /_futon/image.tar?ref=NAME`: a stored image as a `docker load` archive, made while it is sent.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futon_model::{Digest, EventKind, ImageReference};
use hyper::header::CONTENT_TYPE;
use hyper::{StatusCode, Uri};
use image_store::{Descriptor, ImageStore, StoredImage};

use super::body::{Answer, Answers, Body, Piece, put};
use super::error::Refusal;
use super::names;
use super::state::{Asker, State};

/// Size of a tar record, bytes: members are padded to it, two empty ones end the archive.
const RECORD: usize = 512;

/// Answers with the archive, and reports the event.
pub(super) async fn answer(state: &Arc<State>, uri: &Uri, asker: Asker<'_>) -> Result<Answer, Refusal> {
    let name = names::query(uri.query(), "ref").unwrap_or_default();
    let result = find(state, &name).await;
    let (digest, status) = match &result {
        Ok((_, digest)) => (Some(digest.clone()), StatusCode::OK),
        Err(refusal) => (None, refusal.status),
    };
    let event = EventKind::ImageRequested { reference: names::cut(&name), digest, status: status.as_u16() };
    state.events.tell(asker.authentic, event);
    let mut answer = Answer::empty(StatusCode::OK);
    put(&mut answer, CONTENT_TYPE, "application/x-tar");
    *answer.body_mut() = Body::pieces(result?.0);
    Ok(answer)
}

async fn find(state: &State, name: &str) -> Result<(Vec<Piece>, Digest), Refusal> {
    let store = state.config.store.clone().ok_or_else(|| Refusal::not_found("this exchange serves no images"))?;
    let reference: ImageReference =
        name.parse().map_err(|e: futon_model::ReferenceError| Refusal::bad(e.to_string()))?;
    let broken = |why: String| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    let work = tokio::task::spawn_blocking(move || {
        let image = store.resolve(&reference).map_err(|e| broken(e.to_string()))?;
        let image = image.ok_or_else(|| {
            Refusal::not_found(format!("no image {reference} in futon's store (hint: futon images add)"))
        })?;
        let pieces = pieces(&store, &image, &reference);
        let pieces = pieces.map_err(|e| {
            broken(format!("image {reference} is damaged: {e} (hint: add it again with futon images add)"))
        })?;
        Ok((pieces, image.manifest.digest))
    });
    work.await.unwrap_or_else(|e| Err(broken(e.to_string())))
}

/// The archive's pieces: layers, configuration and manifest, each with its header and padding.
fn pieces(store: &ImageStore, image: &StoredImage, reference: &ImageReference) -> io::Result<Vec<Piece>> {
    let layer_name = |layer: &Descriptor| format!("{}.tar", layer.digest.hex());
    let config_name = format!("{}.json", image.config.digest.hex());
    // An engine needs a tag in each name, and accepts no name with a digest.
    let tags: Vec<String> = reference.tag().map(|tag| untagged(reference) + ":" + tag).into_iter().collect();
    let layers: Vec<String> = image.layers.iter().map(layer_name).collect();
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": tags, "Layers": layers}]).to_string();
    let mut pieces = Vec::new();
    let mut done = std::collections::BTreeSet::new();
    for layer in &image.layers {
        // The same layer may occur twice in an image; a file only once in the archive.
        if done.insert(&layer.digest) {
            add_blob(&mut pieces, store, &layer_name(layer), layer)?;
        }
    }
    add_blob(&mut pieces, store, &config_name, &image.config)?;
    add_header(&mut pieces, "manifest.json", manifest.len() as u64)?;
    let padding = padding(manifest.len() as u64);
    pieces.push(Piece::Bytes(manifest.into()));
    pieces.push(padding);
    pieces.push(Piece::Bytes(Bytes::from_static(&[0; 2 * RECORD])));
    Ok(pieces)
}

/// The name as it is written, without tag and digest.
fn untagged(reference: &ImageReference) -> String {
    let name = reference.written().split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => name.to_owned(),
        _ => name.to_owned(),
    }
}

fn add_blob(pieces: &mut Vec<Piece>, store: &ImageStore, name: &str, blob: &Descriptor) -> io::Result<()> {
    let file = File::open(store.blob_path(&blob.digest))?;
    if file.metadata()?.len() != blob.size {
        return Err(io::Error::other(format!("blob {} has the wrong size", blob.digest)));
    }
    add_header(pieces, name, blob.size)?;
    pieces.push(Piece::File { file: Arc::new(file), at: 0, size: blob.size });
    pieces.push(padding(blob.size));
    Ok(())
}

fn add_header(pieces: &mut Vec<Piece>, name: &str, size: u64) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    pieces.push(Piece::Bytes(Bytes::copy_from_slice(header.as_bytes())));
    Ok(())
}

fn padding(size: u64) -> Piece {
    let over = usize::try_from(size % RECORD as u64).unwrap_or(0);
    let zeros: &'static [u8] = &[0; RECORD];
    Piece::Bytes(Bytes::from_static(&zeros[..(RECORD - over) % RECORD]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_archive_are_as_written() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (written, expected) in [
            ("vhiveease/x", "vhiveease/x".to_owned()),
            ("vhiveease/x:1", "vhiveease/x".to_owned()),
            ("localhost:5000/x", "localhost:5000/x".to_owned()),
            (&format!("localhost:5000/x:1@{digest}"), "localhost:5000/x".to_owned()),
        ] {
            assert_eq!(untagged(&written.parse().unwrap()), expected, "{written}");
        }
    }
}
