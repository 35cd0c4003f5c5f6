//! The names file: which name leads to which digests.

use std::collections::BTreeMap;
use std::path::Path;

use futon_model::{Digest, ImageReference, PlannedImage};
use serde::{Deserialize, Serialize};

use super::{Descriptor, StoreError};

/// Form of the names file.
const SCHEMA: &str = "futon.images/1";

/// A named image of the store, with everything that it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// Name as it was given when the image was added.
    pub reference: ImageReference,
    /// The image index, where the name led to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Descriptor>,
    /// The manifest of the linux/amd64 image.
    pub manifest: Descriptor,
    /// Its configuration; the digest is the classic Docker image id.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Where it came from, for people.
    pub source: String,
    /// When it was added, RFC 3339.
    pub added: String,
}

impl StoredImage {
    /// The image as a plan pins it, under the name the plan uses.
    #[must_use]
    pub fn planned(&self, reference: &ImageReference) -> PlannedImage {
        PlannedImage {
            reference: reference.clone(),
            index: self.index.as_ref().map(|d| d.digest.clone()),
            manifest: Some(self.manifest.digest.clone()),
            config: Some(self.config.digest.clone()),
        }
    }

    /// Everything the image refers to, itself included, each digest as often as it is referred to.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.index.iter().chain([&self.manifest, &self.config]).chain(&self.layers)
    }

    /// Bytes it takes in the store; what images share counts in each.
    #[must_use]
    pub fn size(&self) -> u64 {
        let unique: BTreeMap<&Digest, u64> = self.descriptors().map(|d| (&d.digest, d.size)).collect();
        unique.values().sum()
    }

    /// True when `digest` is the image's index or manifest.
    #[must_use]
    pub fn is_pinned_as(&self, digest: &Digest) -> bool {
        self.manifest.digest == *digest || self.index.as_ref().is_some_and(|d| d.digest == *digest)
    }

    /// True when the name belongs to this registry and repository, whatever its tag.
    #[must_use]
    pub fn is_of(&self, reference: &ImageReference) -> bool {
        self.reference.registry() == reference.registry() && self.reference.repository() == reference.repository()
    }
}

/// The names file's content: canonical name to image.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Names {
    schema: String,
    pub images: BTreeMap<String, StoredImage>,
}

impl Names {
    /// Reads the file; one that is not there is an empty store.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(StoreError::io("read", path)(e)),
        };
        let bad = |why: String| StoreError::Names { path: path.to_owned(), why };
        let names: Self = serde_json::from_slice(&text).map_err(|e| bad(format!("not a names file of futon: {e}")))?;
        if names.schema == SCHEMA {
            Ok(names)
        } else {
            Err(bad(format!("has schema {:?}, not {SCHEMA:?}", names.schema)))
        }
    }

    /// Writes the file whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let names = Self { schema: SCHEMA.to_owned(), images: self.images.clone() };
        let mut file = tempfile::Builder::new()
            .prefix(".names-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)
            .map_err(StoreError::io("write in", folder))?;
        serde_json::to_writer_pretty(&mut file, &names).map_err(|e| StoreError::io("write", path)(e.into()))?;
        file.as_file().sync_data().map_err(StoreError::io("write", path))?;
        file.persist(path).map_err(|e| StoreError::io("write", path)(e.error))?;
        Ok(())
    }

    /// The image of a name: a digest in the name decides alone, as it does for Docker.
    pub fn resolve(&self, reference: &ImageReference) -> Option<&StoredImage> {
        match reference.digest() {
            Some(digest) => self.images.values().find(|i| i.is_of(reference) && i.is_pinned_as(digest)),
            None => self.images.get(&reference.canonical()),
        }
    }
}

/// The key of a name: its canonical spelling, without the digest where there is a tag.
pub(super) fn key(reference: &ImageReference) -> String {
    let canonical = reference.canonical();
    match (reference.tag(), canonical.split_once('@')) {
        (Some(_), Some((tagged, _))) => tagged.to_owned(),
        _ => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_beside_a_digest_names_the_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let key_of = |text: &str| key(&text.parse().unwrap());
        assert_eq!(key_of("x/y"), "docker.io/x/y:latest");
        assert_eq!(key_of(&format!("x/y:1@{digest}")), "docker.io/x/y:1");
        assert_eq!(key_of(&format!("x/y@{digest}")), format!("docker.io/x/y@{digest}"));
    }

    #[test]
    fn a_foreign_names_file_is_refused_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.json");
        for text in ["", "{}", r#"{"schema":"futon.images/9","images":{}}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Names::read(&path), Err(StoreError::Names { .. })), "{text}");
        }
        Names::default().write(&path).unwrap();
        assert!(Names::read(&path).unwrap().images.is_empty());
    }
}
