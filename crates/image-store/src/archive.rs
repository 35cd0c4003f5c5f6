//! `docker save` archives: the old form (`manifest.json` alone) and the OCI layout in a tar.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use futon_model::{Digest, ImageReference};
use serde::Deserialize;

use super::StoreError;
use super::blobs::{Staging, copy_hashing, digest_bytes, digest_of};
use super::layout;
use super::manifest::{Config, Descriptor, IndexEntry, media_type, write_manifest};
use super::names::StoredImage;
use super::source::{Source, Tar};

/// An image of an archive's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Stages the images of an archive: under `name` when one is given, else under all the names it carries.
pub(super) fn stage(
    tar: &Tar,
    staging: &mut Staging,
    name: Option<&ImageReference>,
    added: &str,
) -> Result<Vec<StoredImage>, StoreError> {
    let entries = layout::entries(tar)?;
    let Some(manifest) = tar.read("manifest.json")? else {
        let Some(entries) = entries else {
            let why = "neither manifest.json nor index.json is in it (hint: make it with docker save, or skopeo copy … oci-archive:)";
            return Err(StoreError::not_an_image(tar.describe(), why));
        };
        return stage_layout(tar, &entries, staging, name, added);
    };
    let saved: Vec<Saved> = serde_json::from_slice(&manifest)
        .map_err(|e| StoreError::not_an_image(tar.describe(), format!("its manifest.json is not readable: {e}")))?;
    let mut images = Vec::new();
    for (image, names) in choose(tar, &saved, name)? {
        let first = names.first().ok_or_else(|| nameless(tar))?;
        let stored = stage_saved(tar, image, entries.as_deref(), staging, first, added)?;
        images.extend(names.iter().map(|n| StoredImage { reference: n.clone(), ..stored.clone() }));
    }
    Ok(images)
}

/// Which images of the archive are meant, and the names they get.
fn choose<'s>(
    tar: &Tar,
    saved: &'s [Saved],
    name: Option<&ImageReference>,
) -> Result<Vec<(&'s Saved, Vec<ImageReference>)>, StoreError> {
    let tags = |image: &Saved| -> Vec<ImageReference> {
        image.repo_tags.iter().flatten().filter_map(|tag| tag.parse().ok()).collect()
    };
    let Some(name) = name else {
        return match saved.iter().map(|image| (image, tags(image))).collect::<Vec<_>>() {
            all if all.is_empty() => Err(StoreError::not_an_image(tar.describe(), "it holds no image")),
            all if all.iter().any(|(_, names)| names.is_empty()) => Err(nameless(tar)),
            all => Ok(all),
        };
    };
    let named = saved.iter().find(|image| tags(image).iter().any(|tag| tag.canonical() == name.canonical()));
    match (named, saved) {
        (Some(image), _) | (None, [image]) => Ok(vec![(image, vec![name.clone()])]),
        _ => {
            let held: Vec<&str> = saved.iter().flat_map(|s| s.repo_tags.iter().flatten()).map(String::as_str).collect();
            let why = format!(
                "it holds {} images and none is named {name} (hint: they are {})",
                saved.len(),
                held.join(", ")
            );
            Err(StoreError::not_an_image(tar.describe(), why))
        }
    }
}

fn nameless(tar: &Tar) -> StoreError {
    StoreError::not_an_image(tar.describe(), "it names no image (hint: give a name: NAME[:TAG])")
}

fn stage_layout(
    tar: &Tar,
    entries: &[IndexEntry],
    staging: &mut Staging,
    name: Option<&ImageReference>,
    added: &str,
) -> Result<Vec<StoredImage>, StoreError> {
    if let Some(name) = name {
        return Ok(vec![layout::find(tar, entries, name)?.stage(staging, name, added.to_owned())?]);
    }
    let named: Vec<_> = entries.iter().filter_map(|e| Some((e, layout::full_name(e)?))).collect();
    if named.is_empty() {
        return Err(nameless(tar));
    }
    named.into_iter().map(|(entry, name)| layout::open(tar, entry)?.stage(staging, &name, added.to_owned())).collect()
}

/// Stages one image; its manifest is the archive's own where it has one, else made here.
fn stage_saved(
    tar: &Tar,
    image: &Saved,
    entries: Option<&[IndexEntry]>,
    staging: &mut Staging,
    name: &ImageReference,
    added: &str,
) -> Result<StoredImage, StoreError> {
    let what = tar.describe();
    let gone = |file: &str| {
        StoreError::not_an_image(tar.describe(), format!("{file} is missing from it (hint: save it again)"))
    };
    let config_bytes = tar.read(&image.config)?.ok_or_else(|| gone(&image.config))?;
    let config_digest = digest_bytes(&config_bytes)?;
    let promised = image.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if let Ok(expected) = format!("sha256:{promised}").parse::<Digest>()
        && expected != config_digest
    {
        return Err(StoreError::Digest { what, expected, found: config_digest });
    }
    let own = entries.unwrap_or_default().iter().find(|e| layout::config_of(tar, e).as_ref() == Some(&config_digest));
    if let Some(entry) = own {
        return layout::open(tar, entry)?.stage(staging, name, added.to_owned());
    }
    let parsed = Config::parse(&what, &config_bytes)?;
    if parsed.rootfs.diff_ids.len() != image.layers.len() {
        let why = format!(
            "its configuration speaks of {} layers, it holds {}",
            parsed.rootfs.diff_ids.len(),
            image.layers.len()
        );
        return Err(StoreError::not_an_image(what, why));
    }
    let mut layers = Vec::new();
    for (file, diff_id) in image.layers.iter().zip(&parsed.rootfs.diff_ids) {
        let open = || tar.open(file)?.ok_or_else(|| gone(file));
        layers.push(stage_layer(staging, &format!("{what}: {file}"), open, diff_id)?);
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
        source: what,
        added: added.to_owned(),
    })
}

/// Stages a layer and checks that it unpacks to what the configuration promises.
fn stage_layer(
    staging: &mut Staging,
    what: &str,
    open: impl Fn() -> Result<Box<dyn Read>, StoreError>,
    diff_id: &Digest,
) -> Result<Descriptor, StoreError> {
    let mut descriptor = staging.take(what, &mut *open()?)?;
    let mut magic = Vec::new();
    open()?.take(2).read_to_end(&mut magic).map_err(StoreError::io("read", Path::new(what)))?;
    let packed = magic == [0x1f, 0x8b];
    let unpacked = if packed {
        let (hash, _) = copy_hashing(&mut MultiGzDecoder::new(open()?), &mut std::io::sink())
            .map_err(StoreError::io("uncompress", Path::new(what)))?;
        digest_of(hash)?
    } else {
        descriptor.digest.clone()
    };
    if unpacked != *diff_id {
        return Err(StoreError::Digest { what: what.to_owned(), expected: diff_id.clone(), found: unpacked });
    }
    let media_type = if packed { media_type::OCI_LAYER_GZIP } else { media_type::OCI_LAYER };
    media_type.clone_into(&mut descriptor.media_type);
    Ok(descriptor)
}
