//! Imports one image from a source into a staging folder: checks every digest, and that the layers are those which the
//! configuration promises.

use std::io::Read;
use std::path::Path;

use futon_model::{Amd64Level, Digest, ImageReference};

use super::StoreError;
use super::blobs::{Staging, copy_hashing, digest_bytes, digest_of};
use super::config::ImageConfig;
use super::manifest::{Descriptor, Document};
use super::names::{StoredImage, Variant};
use super::packed::{is_cut, is_too_large, unpacked};
use super::platform::Platform;
use super::source::{Source, too_large};

/// Where a blob lies in a source.
pub(super) type BlobName = fn(&Digest) -> String;

/// The blob's place in an OCI layout.
pub(super) fn in_layout(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The blob's place in a `skopeo copy … dir:` folder.
pub(super) fn in_skopeo_folder(digest: &Digest) -> String {
    digest.hex().to_owned()
}

/// The processor level whose image is the default if no machine is given: the level of QEMU's TCG.
pub(super) const USUAL: Amd64Level = Amd64Level::V3;

/// Hint for layers that do not match the configuration.
const NOT_OF_ONE: &str = "layers and configuration do not belong to one image; make it again";

/// The inputs of an import.
#[derive(Debug)]
pub(super) struct Import<'a, S> {
    /// The blobs' names in a source.
    pub blob: BlobName,
    /// The index that led to the image, if any, with its content.
    pub index: Option<(Descriptor, Vec<u8>)>,
    /// The images that some processor can run, the best for the default one first.
    pub candidates: Vec<Candidate<'a, S>>,
    /// Whether the index has several images that some processor can run, even if the source lacks them.
    pub several: bool,
}

/// An image of one platform, in a source.
#[derive(Debug)]
pub(super) struct Candidate<'a, S> {
    /// Where its blobs are read.
    pub source: &'a S,
    /// What the index says it is for.
    pub platform: Option<Platform>,
    /// Its manifest's descriptor.
    pub manifest: Descriptor,
}

impl<S: Source> Import<'_, S> {
    /// Stages all blobs of the image; returns the store's record of it. A source may have only some platforms: those that it
    /// has completely are taken.
    pub fn stage(
        self,
        staging: &mut Staging,
        reference: &ImageReference,
        added: String,
    ) -> Result<StoredImage, StoreError> {
        let what = self.candidates.first().map_or_else(String::new, |c| c.source.describe());
        let (mut variants, mut lacking) = (Vec::new(), None);
        for candidate in &self.candidates {
            match candidate.stage(staging, self.blob) {
                Ok(variant) => variants.push(variant),
                Err(error @ StoreError::Missing { .. }) => lacking = lacking.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let Some(Variant { manifest, config, layers, .. }) = variants.first().cloned() else {
            return Err(lacking.unwrap_or_else(|| StoreError::not_an_image(what, "it contains no image")));
        };
        let index = match self.index {
            Some((descriptor, bytes)) => {
                stage_document(staging, &what, &descriptor, bytes)?;
                Some(descriptor)
            }
            None => None,
        };
        if let [one] = &variants[..]
            && one.runs_everywhere()
            && !self.several
        {
            variants.clear();
        }
        let reference = reference.clone();
        Ok(StoredImage { reference, index, manifest, config, layers, variants, source: what, added })
    }
}

impl<S: Source> Candidate<'_, S> {
    /// The manifest, as it was written.
    pub fn read(&self, blob: BlobName) -> Result<Vec<u8>, StoreError> {
        self.source.read(&blob(&self.manifest.digest))?.ok_or_else(|| missing(self.source, &self.manifest.digest))
    }

    fn stage(&self, staging: &mut Staging, blob: BlobName) -> Result<Variant, StoreError> {
        let what = self.source.describe();
        let bytes = self.read(blob)?;
        let Document::Manifest(parsed) = Document::parse(&what, &bytes)? else {
            return Err(StoreError::not_an_image(what, "an index where a manifest should be"));
        };
        parsed.check(&what)?;
        let manifest = Descriptor { media_type: parsed.media_type, size: bytes.len() as u64, ..self.manifest.clone() };
        let config_bytes = self.source.read(&blob(&parsed.config.digest))?;
        let config_bytes = config_bytes.ok_or_else(|| missing(self.source, &parsed.config.digest))?;
        let config = ImageConfig::parse(&what, &config_bytes)?;
        if config.diff_ids().len() != parsed.layers.len() {
            let why = format!(
                "layers from manifest don't match image configuration: {} layers, {} diff_ids (hint: {NOT_OF_ONE})",
                parsed.layers.len(),
                config.diff_ids().len()
            );
            return Err(StoreError::not_an_image(what, why));
        }
        stage_document(staging, &what, &manifest, bytes)?;
        stage_document(staging, &what, &parsed.config, config_bytes)?;
        for (number, (layer, diff_id)) in parsed.layers.iter().zip(config.diff_ids()).enumerate() {
            let name = blob(&layer.digest);
            let open = || self.source.open(&name)?.ok_or_else(|| missing(self.source, &layer.digest));
            let named = format!("{what}: {name}");
            staging.add(&named, layer, open)?;
            if check_diff_id(&what, number, staging.open(&layer.digest)?, diff_id).is_err() {
                // The store's own copy may be damaged by now: the source's copy replaces it.
                staging.add_anew(&named, layer, open)?;
                check_diff_id(&what, number, staging.open(&layer.digest)?, diff_id)?;
            }
        }
        let platform = self.platform.as_ref().map(Platform::to_string);
        Ok(Variant { platform, manifest, config: parsed.config, layers: parsed.layers })
    }
}

/// Checks that a layer unpacks, without errors, to the content that the configuration promises. The messages are the engine's.
pub(super) fn check_diff_id(what: &str, number: usize, layer: impl Read, promised: &Digest) -> Result<(), StoreError> {
    match check_content(what, number, layer, promised)?.fault {
        Some(fault) => Err(does_not_unpack(what, number, &fault)),
        None => Ok(()),
    }
}

/// A layer whose content matches the configuration.
pub(super) struct Checked {
    pub compression: super::Compression,
    /// Damage after the content: a wrong or missing checksum or size.
    pub fault: Option<std::io::Error>,
}

/// The same, but damage after the content is returned instead of an error.
pub(super) fn check_content(
    what: &str,
    number: usize,
    layer: impl Read,
    promised: &Digest,
) -> Result<Checked, StoreError> {
    let (compression, plain) = unpacked(layer).map_err(StoreError::io("read", Path::new(what)))?;
    let mut content = UpToFault { content: plain, fault: None };
    let read = StoreError::io("read", Path::new(what));
    let (hash, _) = copy_hashing(&mut content, &mut std::io::sink()).map_err(read)?;
    let found = digest_of(hash)?;
    match content.fault {
        fault if found == *promised => Ok(Checked { compression, fault }),
        Some(fault) => Err(does_not_unpack(what, number, &fault)),
        None => {
            let why = format!(
                "invalid diffID for layer {number}: expected \"{promised}\", got \"{found}\" (hint: {NOT_OF_ONE})"
            );
            Err(StoreError::not_an_image(what, why))
        }
    }
}

/// Content up to the first fault, which is kept.
pub(super) struct UpToFault<R> {
    pub content: R,
    pub fault: Option<std::io::Error>,
}

impl<R: Read> Read for UpToFault<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.fault.is_some() {
            return Ok(0);
        }
        match self.content.read(buffer) {
            Err(e) if e.kind() != std::io::ErrorKind::Interrupted => {
                self.fault = Some(e);
                Ok(0)
            }
            result => result,
        }
    }
}

fn does_not_unpack(what: &str, number: usize, fault: &std::io::Error) -> StoreError {
    let what = format!("{what}: layer {number}");
    if is_too_large(fault) {
        return too_large(&what, fault);
    }
    let why = if is_cut(fault) {
        "unexpected end: it is cut short".to_owned()
    } else {
        format!("it cannot be unpacked: {fault}")
    };
    StoreError::not_an_image(what, format!("{why} (hint: make the image again)"))
}

fn stage_document(
    staging: &mut Staging,
    what: &str,
    descriptor: &Descriptor,
    bytes: Vec<u8>,
) -> Result<(), StoreError> {
    // Staging only hashes what it does not have; a document that was read is checked in any case.
    let found = digest_bytes(&bytes)?;
    if found != descriptor.digest {
        return Err(StoreError::Digest { what: what.to_owned(), expected: descriptor.digest.clone(), found });
    }
    staging.add(what, descriptor, || Ok(Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read>))
}

pub(super) fn missing<S: Source>(source: &S, digest: &Digest) -> StoreError {
    StoreError::Missing { what: source.describe(), blob: digest.to_string(), again: source.again() }
}
