//! `registry.tar`: the images of a plan as the registry that a guest without a network carries.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use futon_common::{Context, Error, Result};
use futon_model::{CarriedManifest, CarriedRegistry, Digest, ImageReference};
use image_store::{Descriptor, ImageStore, StoredImage};
use tar::{Builder, EntryType, Header};

/// What an archive will hold.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    registry: CarriedRegistry,
    blobs: BTreeMap<Digest, u64>,
}

impl Carried {
    /// Gathers images. One that the store lacks is left out: the pull fails in the guest, as it would in the field, and the verdict says
    /// so.
    ///
    /// # Errors
    /// When the store cannot be read, or two registries' images have one name.
    pub(crate) fn gather<'a>(store: &ImageStore, images: impl IntoIterator<Item = &'a ImageReference>) -> Result<Self> {
        let mut carried = Self::default();
        for reference in images {
            if let Some(image) = store.resolve(reference)? {
                carried.add(reference, &image)?;
            }
        }
        Ok(carried)
    }

    fn add(&mut self, reference: &ImageReference, image: &StoredImage) -> Result<()> {
        let repository = reference.repository();
        // As the exchange answers: an index, where every machine gets the same of it.
        let by_tag = image.index.as_ref().filter(|_| image.variants.is_empty()).unwrap_or(&image.manifest);
        let tag = reference.tag().unwrap_or("latest");
        let documents = image.index.iter().chain([&image.manifest]);
        let addresses = [(tag.to_owned(), by_tag)]
            .into_iter()
            .chain(documents.clone().map(|document| (document.digest.as_str().to_owned(), document)));
        for (version, document) in addresses {
            let address = CarriedRegistry::address(repository, &version);
            let manifest = CarriedManifest { digest: document.digest.clone(), media_type: document.media_type.clone() };
            if let Some(other) = self.registry.manifests.insert(address, manifest.clone())
                && other.digest != manifest.digest
            {
                return Err(Error::usage(format!(
                    "{reference}: another registry's image has the same name, and the guest's own registry cannot tell them apart"
                ))
                .hint("give one of them another tag or name, or use --base lean"));
            }
        }
        for blob in documents.chain([&image.config]).chain(&image.layers) {
            let Descriptor { digest, size, .. } = blob;
            self.blobs.insert(digest.clone(), *size);
        }
        Ok(())
    }

    /// Writes the archive. The same images make the same bytes.
    ///
    /// # Errors
    /// When a blob cannot be read or has another size, or the archive cannot be written.
    pub(crate) fn write(&self, store: &ImageStore, to: impl Write) -> Result<()> {
        let mut archive = Builder::new(to);
        let list = serde_json::to_vec(&self.registry).context(|| CarriedRegistry::FILE.into())?;
        let writing = |name: &str| format!("cannot pack {name}");
        let mut put = |name: &str, size: u64, content: &mut dyn std::io::Read| {
            archive.append_data(&mut head(size), name, content).context(|| writing(name))
        };
        put(CarriedRegistry::FILE, list.len() as u64, &mut list.as_slice())?;
        for (digest, size) in &self.blobs {
            let path = store.blob_path(digest);
            let mut file = open(&path, *size)?;
            put(digest.hex(), *size, &mut file)?;
        }
        archive.into_inner().and_then(|mut to| to.flush()).context(|| writing("the images"))
    }
}

fn open(path: &Path, size: u64) -> Result<File> {
    let file = File::open(path).context(|| format!("cannot read {}", path.display()))?;
    let there = file.metadata().context(|| format!("cannot read {}", path.display()))?.len();
    if there != size {
        return Err(Error::infra(format!("{}: {there} bytes on disk instead of {size}", path.display()))
            .hint("add the image again with futon images add"));
    }
    Ok(file)
}

fn head(size: u64) -> Header {
    let mut head = Header::new_gnu();
    head.set_entry_type(EntryType::Regular);
    head.set_size(size);
    head.set_mode(0o644);
    head.set_mtime(0);
    head.set_uid(0);
    head.set_gid(0);
    head
}

#[cfg(test)]
#[path = "carried_tests.rs"]
mod tests;
