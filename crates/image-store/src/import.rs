//! One image from a source into a staging folder: every digest checked on the way.

use std::io::Read;

use futon_model::{Digest, ImageReference};

use super::StoreError;
use super::blobs::{Staging, digest_bytes};
use super::manifest::{Config, Descriptor, Document};
use super::names::StoredImage;
use super::source::Source;

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

/// What an import takes and from where.
#[derive(Debug)]
pub(super) struct Import<'a, S> {
    /// Where the blobs are read.
    pub source: &'a S,
    /// Their names there.
    pub blob: BlobName,
    /// The index that led to the image, if any, with its content.
    pub index: Option<(Descriptor, Vec<u8>)>,
    /// The manifest's descriptor and content.
    pub manifest: (Descriptor, Vec<u8>),
}

impl<S: Source> Import<'_, S> {
    /// Stages all blobs of the image; gives what the store will remember.
    pub fn stage(
        self,
        staging: &mut Staging,
        reference: &ImageReference,
        added: String,
    ) -> Result<StoredImage, StoreError> {
        let what = self.source.describe();
        let (mut manifest, bytes) = self.manifest;
        let Document::Manifest { media_type, config, layers } = Document::parse(&what, &bytes)? else {
            return Err(StoreError::not_an_image(what, "an index where a manifest should be"));
        };
        manifest.media_type = media_type;
        stage_document(staging, &what, &manifest, bytes)?;
        let index = match self.index {
            Some((descriptor, bytes)) => {
                stage_document(staging, &what, &descriptor, bytes)?;
                Some(descriptor)
            }
            None => None,
        };
        let config_bytes = self.source.read(&(self.blob)(&config.digest))?;
        let config_bytes = config_bytes.ok_or_else(|| missing(&what, &config.digest))?;
        Config::parse(&what, &config_bytes)?;
        stage_document(staging, &what, &config, config_bytes)?;
        for layer in &layers {
            let name = (self.blob)(&layer.digest);
            let open = || self.source.open(&name)?.ok_or_else(|| missing(&what, &layer.digest));
            staging.add(&format!("{what}: {name}"), layer, open)?;
        }
        Ok(StoredImage { reference: reference.clone(), index, manifest, config, layers, source: what, added })
    }
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

pub(super) fn missing(what: &str, digest: &Digest) -> StoreError {
    StoreError::not_an_image(what, format!("blob {digest} is missing (hint: the copy is not complete; make it again)"))
}
