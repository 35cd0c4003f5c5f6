//! OCI image layouts, as a folder or inside an archive: finding the image that a name means.

use futon_model::{Digest, ImageReference};

use super::StoreError;
use super::import::{Import, in_layout, missing};
use super::manifest::{Descriptor, Document, IndexEntry, choose};
use super::source::Source;

/// Annotation that names an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The entries of a layout's `index.json`; `None` when the source is no layout.
pub(super) fn entries<S: Source>(source: &S) -> Result<Option<Vec<IndexEntry>>, StoreError> {
    let Some(bytes) = source.read("index.json")? else { return Ok(None) };
    let what = format!("{}: index.json", source.describe());
    match Document::parse(&what, &bytes)? {
        Document::Index { entries, .. } => Ok(Some(entries)),
        Document::Manifest { .. } => {
            Err(StoreError::not_an_image(what, "a manifest where the layout's index should be"))
        }
    }
}

/// Finds the image that `reference` means among the entries of a layout.
pub(super) fn find<'s, S: Source>(
    source: &'s S,
    entries: &[IndexEntry],
    reference: &ImageReference,
) -> Result<Import<'s, S>, StoreError> {
    let what = source.describe();
    let named: Vec<IndexEntry> = entries.iter().filter(|e| is_named(e, reference)).cloned().collect();
    let candidates = if named.is_empty() { entries } else { &named };
    let entry = match candidates {
        [] => return Err(StoreError::not_an_image(what, "the layout holds no image")),
        [one] => one,
        several => choose(&what, several)?,
    };
    open(source, entry)
}

/// Reads what an entry leads to, through an index where there is one.
pub(super) fn open<'s, S: Source>(source: &'s S, entry: &IndexEntry) -> Result<Import<'s, S>, StoreError> {
    let what = source.describe();
    let read = |digest: &Digest| source.read(&in_layout(digest))?.ok_or_else(|| missing(&what, digest));
    let bytes = read(&entry.digest)?;
    match Document::parse(&what, &bytes)? {
        Document::Manifest { .. } => {
            Ok(Import { source, blob: in_layout, index: None, manifest: (entry.descriptor(), bytes) })
        }
        Document::Index { media_type, entries } => {
            let chosen = choose(&what, &entries)?;
            let index = Descriptor { media_type, ..entry.descriptor() };
            let manifest = (chosen.descriptor(), read(&chosen.digest)?);
            Ok(Import { source, blob: in_layout, index: Some((index, bytes)), manifest })
        }
    }
}

/// The configuration's digest of an entry, where it is an image manifest that is there.
pub(super) fn config_of<S: Source>(source: &S, entry: &IndexEntry) -> Option<Digest> {
    let import = open(source, entry).ok()?;
    match Document::parse("", &import.manifest.1).ok()? {
        Document::Manifest { config, .. } => Some(config.digest),
        Document::Index { .. } => None,
    }
}

/// True when the entry's annotation is the name, its spelling in full, or its tag.
fn is_named(entry: &IndexEntry, reference: &ImageReference) -> bool {
    let Some(name) = entry.annotations.get(REF_NAME) else { return false };
    let canonical = reference.canonical();
    name == reference.written()
        || reference.tag() == Some(name)
        || name.parse::<ImageReference>().is_ok_and(|r| name.contains('/') && r.canonical() == canonical)
}

/// A full image name that an entry carries, if any.
pub(super) fn full_name(entry: &IndexEntry) -> Option<ImageReference> {
    let annotation = |key| entry.annotations.get(key).map(String::as_str);
    let name =
        annotation("io.containerd.image.name").or_else(|| annotation(REF_NAME).filter(|n| n.contains(['/', ':'])))?;
    name.parse().ok()
}
