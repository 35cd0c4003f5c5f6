//! OCI image layouts, as a folder or inside an archive: finding the image that a name means.

use std::collections::BTreeSet;

use futon_model::{Digest, ImageReference};

use super::StoreError;
use super::blobs::Staging;
use super::choice::{candidates, not_offered};
use super::import::{Candidate, Import, USUAL, in_layout, missing};
use super::manifest::{Descriptor, Document, IndexEntry};
use super::names::StoredImage;

use super::source::Source;

/// Annotation that names an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Why an index that has indexes is refused.
pub(super) const NESTED: &str = "an index within an index, which the Docker Engine does not pull (hint: add the inner one: `skopeo copy --all` takes it by its digest)";

/// The entries of a layout's `index.json`; `None` when the source is no layout.
pub(super) fn entries<S: Source>(source: &S) -> Result<Option<Vec<IndexEntry>>, StoreError> {
    let Some(bytes) = source.read("index.json")? else { return Ok(None) };
    let what = format!("{}: index.json", source.describe());
    match Document::parse(&what, &bytes)? {
        Document::Index { entries, .. } => Ok(Some(entries)),
        Document::Manifest(_) => Err(StoreError::not_an_image(what, "a manifest where the layout's index should be")),
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
    let names: BTreeSet<String> = entries.iter().filter_map(full_name).map(|own| own.canonical()).collect();
    if named.is_empty() && names.len() > 1 {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(StoreError::not_an_image(
            what,
            format!("none of its images is {reference}: it has {}", names.join(", ")),
        ));
    }
    match if named.is_empty() { entries } else { &named } {
        [] => Err(StoreError::not_an_image(what, "the layout contains no image")),
        [one] => open(source, one),
        // Among several without a platform there is no reason to choose one.
        several if several.iter().all(|e| e.platform.is_none()) => Err(not_offered(&what, several)),
        several => {
            let (candidates, several) = choose(source, &what, several)?;
            Ok(Import { blob: in_layout, index: None, several, candidates })
        }
    }
}

/// Stages the image that `name` means, or without a name all images under the names that the layout gives them.
pub(super) fn stage<S: Source>(
    source: &S,
    entries: &[IndexEntry],
    staging: &mut Staging,
    name: Option<&ImageReference>,
    added: &str,
) -> Result<Vec<StoredImage>, StoreError> {
    if let Some(name) = name {
        return Ok(vec![find(source, entries, name)?.stage(staging, name, added.to_owned())?]);
    }
    let named: Vec<_> = entries.iter().filter_map(|e| Some((e, full_name(e)?))).collect();
    if named.is_empty() {
        return Err(nameless(source));
    }
    named.into_iter().map(|(entry, name)| open(source, entry)?.stage(staging, &name, added.to_owned())).collect()
}

/// Says that an image has no name of its own.
pub(super) fn nameless<S: Source>(source: &S) -> StoreError {
    StoreError::not_an_image(source.describe(), "its image has no name (hint: give a name: --name NAME[:TAG])")
}

/// Reads what an entry leads to, through an index where there is one. The engine's classic store takes no index within an index.
pub(super) fn open<'s, S: Source>(source: &'s S, entry: &IndexEntry) -> Result<Import<'s, S>, StoreError> {
    let what = source.describe();
    let bytes = source.read(&in_layout(&entry.digest))?.ok_or_else(|| missing(source, &entry.digest))?;
    let (media_type, entries) = match Document::parse(&what, &bytes)? {
        Document::Manifest(_) => {
            let one = Candidate { source, platform: None, manifest: entry.descriptor() };
            return Ok(Import { blob: in_layout, index: None, candidates: vec![one], several: false });
        }
        Document::Index { media_type, entries } => (media_type, entries),
    };
    let (candidates, several) = choose(source, &what, &entries)?;
    match candidates.first() {
        None => return Err(not_offered(&what, &present(source, &entries)?)),
        Some(first) if is_index(&first.manifest.media_type) => return Err(StoreError::not_an_image(what, NESTED)),
        Some(_) => {}
    }
    let index = Descriptor { media_type, size: bytes.len() as u64, ..entry.descriptor() };
    Ok(Import { blob: in_layout, index: Some((index, bytes)), several, candidates })
}

/// True for the media types of an index.
pub(super) fn is_index(media_type: &str) -> bool {
    use super::media_type::{DOCKER_INDEX, OCI_INDEX};
    [DOCKER_INDEX, OCI_INDEX].contains(&media_type)
}

/// The images that some processor can run, and whether the index has several of them.
fn choose<'s, S: Source>(
    source: &'s S,
    what: &str,
    entries: &[IndexEntry],
) -> Result<(Vec<Candidate<'s, S>>, bool), StoreError> {
    let there = present(source, entries)?;
    let found = candidates(what, &there, USUAL)?;
    // An index whose content is missing here is ignored.
    let wanted = candidates(what, entries, USUAL)?;
    let several = wanted.len() > 1 || wanted.iter().zip(&found).any(|(wanted, found)| wanted.digest != found.digest);
    let candidate =
        |entry: &IndexEntry| Candidate { source, platform: entry.platform.clone(), manifest: entry.descriptor() };
    Ok((found.into_iter().map(candidate).collect(), several))
}

/// The entries whose manifests are in the source, as an engine chooses among them when it loads it; all, if none is.
fn present<S: Source>(source: &S, entries: &[IndexEntry]) -> Result<Vec<IndexEntry>, StoreError> {
    let mut there = Vec::new();
    for entry in entries {
        if source.open(&in_layout(&entry.digest))?.is_some() {
            there.push(entry.clone());
        }
    }
    Ok(if there.is_empty() { entries.to_vec() } else { there })
}

/// The image among the entries that has this configuration, where its manifest is there: the one that an engine would load.
pub(super) fn with_config<'s, S: Source>(
    source: &'s S,
    entries: &[IndexEntry],
    config: &Digest,
) -> Option<Import<'s, S>> {
    let has_it = |candidate: &Candidate<'_, S>| {
        let manifest = candidate.read(in_layout).and_then(|bytes| Document::parse("", &bytes));
        matches!(manifest, Ok(Document::Manifest(manifest)) if manifest.config.digest == *config)
    };
    entries.iter().find_map(|entry| {
        let mut import = open(source, entry).ok()?;
        import.candidates.retain(has_it);
        // This one, for any processor.
        import.candidates.iter_mut().for_each(|candidate| candidate.platform = None);
        (!import.candidates.is_empty()).then_some(import)
    })
}

/// True when the entry's full name is this one; where it has none, when its annotation is the name as it is written, or its tag.
fn is_named(entry: &IndexEntry, reference: &ImageReference) -> bool {
    if let Some(own) = full_name(entry) {
        return own.canonical() == reference.canonical();
    }
    entry.annotations.get(REF_NAME).is_some_and(|name| name == reference.written() || reference.tag() == Some(name))
}

/// A full image name that an entry carries, if any.
pub(super) fn full_name(entry: &IndexEntry) -> Option<ImageReference> {
    let annotation = |key| entry.annotations.get(key).map(String::as_str);
    let name =
        annotation("io.containerd.image.name").or_else(|| annotation(REF_NAME).filter(|n| n.contains(['/', ':'])))?;
    name.parse().ok()
}
