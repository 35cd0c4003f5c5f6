//! Reads the whole store again: is everything there, and does it match its digest?

use std::collections::BTreeMap;
use std::fs::File;

use futon_model::Digest;

use super::blobs::{copy_hashing, digest_of};
use super::store::ImageStore;
use super::{Descriptor, StoreError};

/// Result of a check of the whole store.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// Blobs that were read.
    pub blobs: usize,
    /// Their size, bytes.
    pub bytes: u64,
    /// All problems; empty when the store is sound.
    pub problems: Vec<Problem>,
}

/// A missing or damaged blob.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The blob.
    pub digest: Digest,
    /// Names of the images that need it.
    pub images: Vec<String>,
    /// What is wrong.
    pub what: String,
}

impl ImageStore {
    /// Hashes every blob that an image refers to.
    ///
    /// # Errors
    /// The names file cannot be read. Problems of blobs are in the result.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        let names = self.names()?;
        let mut wanted: BTreeMap<&Digest, (&Descriptor, Vec<String>)> = BTreeMap::new();
        for image in names.images.values() {
            for descriptor in image.descriptors() {
                let (_, users) = wanted.entry(&descriptor.digest).or_insert((descriptor, Vec::new()));
                let name = image.reference.to_string();
                if users.last() != Some(&name) {
                    users.push(name);
                }
            }
        }
        let mut result = Verification::default();
        for (digest, (descriptor, images)) in wanted {
            match self.check(descriptor) {
                Ok(bytes) => {
                    result.blobs += 1;
                    result.bytes += bytes;
                }
                Err(what) => result.problems.push(Problem { digest: digest.clone(), images, what }),
            }
        }
        Ok(result)
    }

    fn check(&self, descriptor: &Descriptor) -> Result<u64, String> {
        let path = self.blob_path(&descriptor.digest);
        let mut file = File::open(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let (hash, size) = copy_hashing(&mut file, &mut std::io::sink())
            .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let found = digest_of(hash).map_err(|e| e.to_string())?;
        match (found == descriptor.digest, size == descriptor.size) {
            (true, true) => Ok(size),
            (false, _) => Err(format!("{} hashes to {found}", path.display())),
            (true, false) => Err(format!("{} is {size} bytes long instead of {}", path.display(), descriptor.size)),
        }
    }
}
