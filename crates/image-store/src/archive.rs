//! Archives that an engine can load, from any tool: the old format (only `manifest.json`), an OCI layout in a tar file, and both in one.

use std::io::Read;

use futon_model::{Digest, ImageReference, ReferenceError};
use serde::Deserialize;

use super::blobs::{Staging, digest_bytes};
use super::config::ImageConfig;
use super::import::{UpToFault, check_content};
use super::json::{first_value, or_default};
use super::manifest::{Descriptor, IndexEntry, check_depth, media_type, write_manifest};
use super::names::StoredImage;
use super::packed::unpacked;
use super::source::{Source, Tar};
use super::{Compression, StoreError, layout};

/// An image of an archive's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    #[serde(default, deserialize_with = "or_default")]
    config: String,
    #[serde(default, deserialize_with = "or_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    layers: Vec<String>,
}

/// Stages the images of an archive: under `name` when one is given, else under all the names it carries.
pub(super) fn stage(
    tar: &Tar,
    staging: &mut Staging,
    name: Option<&ImageReference>,
    added: &str,
) -> Result<Vec<StoredImage>, StoreError> {
    let Some(manifest) = tar.read("manifest.json")? else {
        let Some(entries) = layout::entries(tar)? else {
            let why = "it contains neither manifest.json nor index.json (hint: make it with docker save, or skopeo copy … oci-archive:)";
            return Err(tar.lacks(why));
        };
        return layout::stage(tar, &entries, staging, name, added);
    };
    // If there is a manifest.json, an engine reads nothing else; the index only shows how the manifests were written.
    let entries = layout::entries(tar).ok().flatten();
    let saved: Option<Vec<Saved>> = first_value(&manifest).map_err(|e| {
        StoreError::not_an_image(tar.describe(), format!("cannot read its manifest.json: {e} (hint: save it again)"))
    })?;
    let saved = saved.unwrap_or_default();
    let mut images = Vec::new();
    for (image, names) in choose(tar, &saved, name)? {
        let first = names.first().ok_or_else(|| layout::nameless(tar))?;
        let stored = stage_saved(tar, image, entries.as_deref(), staging, first, added)?;
        images.extend(names.iter().map(|n| StoredImage { reference: n.clone(), ..stored.clone() }));
    }
    Ok(images)
}

/// Which images of the archive to take, and the names they get.
fn choose<'s>(
    tar: &Tar,
    saved: &'s [Saved],
    name: Option<&ImageReference>,
) -> Result<Vec<(&'s Saved, Vec<ImageReference>)>, StoreError> {
    let Some(name) = name else {
        let mut all = Vec::new();
        for image in saved {
            let names: Result<Vec<ImageReference>, ReferenceError> =
                image.repo_tags.iter().map(|t| t.parse()).collect();
            let names =
                names.map_err(|e| StoreError::not_an_image(tar.describe(), format!("it contains a bad name: {e}")))?;
            if let Some(untagged) = names.iter().find(|name| name.is_bare()) {
                // The engine's words.
                let why = format!("invalid tag \"{untagged}\" (hint: give a name: --name NAME[:TAG])");
                return Err(StoreError::not_an_image(tar.describe(), why));
            }
            if names.is_empty() {
                return Err(layout::nameless(tar));
            }
            all.push((image, names));
        }
        if all.is_empty() {
            return Err(StoreError::not_an_image(tar.describe(), "it contains no image"));
        }
        return Ok(all);
    };
    let tags =
        |image: &Saved| -> Vec<ImageReference> { image.repo_tags.iter().filter_map(|tag| tag.parse().ok()).collect() };
    let named = saved.iter().find(|image| tags(image).iter().any(|tag| tag.canonical() == name.canonical()));
    match (named, saved) {
        (Some(image), _) | (None, [image]) => Ok(vec![(image, vec![name.clone()])]),
        _ => {
            let held: Vec<&str> = saved.iter().flat_map(|s| &s.repo_tags).map(String::as_str).collect();
            let why = format!(
                "it contains {} images, none of them named {name} (hint: they are {})",
                saved.len(),
                held.join(", ")
            );
            Err(StoreError::not_an_image(tar.describe(), why))
        }
    }
}

/// Stages one image; its manifest is the archive's own if it has one, else it is made here.
fn stage_saved(
    tar: &Tar,
    image: &Saved,
    entries: Option<&[IndexEntry]>,
    staging: &mut Staging,
    name: &ImageReference,
    added: &str,
) -> Result<StoredImage, StoreError> {
    let what = tar.describe();
    let gone = |file: &str| StoreError::Missing { what: tar.describe(), blob: file.to_owned(), again: tar.again() };
    if image.config.is_empty() {
        return Err(StoreError::not_an_image(what, "its manifest.json names no configuration (hint: save it again)"));
    }
    let config_bytes = tar.read(&image.config)?.ok_or_else(|| gone(&image.config))?;
    let config_digest = digest_bytes(&config_bytes)?;
    let promised = image.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if let Ok(expected) = format!("sha256:{promised}").parse::<Digest>()
        && expected != config_digest
    {
        return Err(StoreError::Digest { what, expected, found: config_digest });
    }
    if let Some(own) = layout::with_config(tar, entries.unwrap_or_default(), &config_digest) {
        return own.stage(staging, name, added.to_owned());
    }
    let parsed = ImageConfig::parse(&what, &config_bytes)?;
    check_depth(&what, image.layers.len())?;
    if parsed.diff_ids().len() != image.layers.len() {
        let why = format!(
            "invalid manifest, layers length mismatch: {} layers, {} diff_ids (hint: save it again)",
            image.layers.len(),
            parsed.diff_ids().len()
        );
        return Err(StoreError::not_an_image(what, why));
    }
    let mut layers = Vec::new();
    for (number, (file, diff_id)) in image.layers.iter().zip(parsed.diff_ids()).enumerate() {
        let mut content = tar.open(file)?.ok_or_else(|| gone(file))?;
        let mut descriptor = staging.take(&format!("{what}: {file}"), &mut *content)?;
        let checked = check_content(&what, number, staging.open(&descriptor.digest)?, diff_id)?;
        let mut compression = checked.compression;
        if checked.fault.is_some() {
            // The engine reads a layer only to the end of its content, and never sees damage after it. Only the content is kept.
            let (_, content) =
                unpacked(staging.open(&descriptor.digest)?).map_err(StoreError::io("read", file.as_ref()))?;
            let plain = staging.take(&format!("{what}: {file}"), &mut UpToFault { content, fault: None })?;
            staging.discard(&descriptor.digest)?;
            (descriptor, compression) = (plain, Compression::None);
        }
        layer_type(compression).clone_into(&mut descriptor.media_type);
        layers.push(descriptor);
    }
    let size = config_bytes.len() as u64;
    let config = Descriptor { media_type: media_type::OCI_CONFIG.to_owned(), digest: config_digest, size };
    let manifest = write_manifest(&config, &layers);
    let descriptor = Descriptor {
        media_type: media_type::OCI_MANIFEST.to_owned(),
        digest: digest_bytes(&manifest)?,
        size: manifest.len() as u64,
    };
    staging.add(&what, &config, || Ok(Box::new(std::io::Cursor::new(config_bytes)) as Box<dyn Read>))?;
    staging.add(&what, &descriptor, || Ok(Box::new(std::io::Cursor::new(manifest)) as Box<dyn Read>))?;
    Ok(StoredImage {
        reference: name.clone(),
        index: None,
        manifest: descriptor,
        config,
        layers,
        variants: Vec::new(),
        source: what,
        added: added.to_owned(),
    })
}

/// Media type of a layer. The last two are not standardised; an engine looks at the content.
fn layer_type(compression: Compression) -> &'static str {
    match compression {
        Compression::None => media_type::OCI_LAYER,
        Compression::Gzip => media_type::OCI_LAYER_GZIP,
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        Compression::Bzip2 => "application/vnd.oci.image.layer.v1.tar+bzip2",
        Compression::Xz => "application/vnd.oci.image.layer.v1.tar+xz",
    }
}
