//! The names file: maps names to digests.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futon_model::{Amd64Level, Digest, ImageReference, PlannedImage};
use serde::{Deserialize, Serialize};

use super::platform::{Platform, rank};
use super::{Descriptor, StoreError};

/// How many similar names are shown.
const NEAR: usize = 3;

/// Format of the names file.
const SCHEMA: &str = "futon.images/1";

/// A named image of the store, with everything that it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// Name as it was given when the image was added.
    pub reference: ImageReference,
    /// The image index, where the name led to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Descriptor>,
    /// The manifest of the linux/amd64 image for the default machine.
    pub manifest: Descriptor,
    /// Its configuration; the digest is the classic Docker image id.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The index's images for all processor levels, the one above included, as far as they are in the store; empty
    /// if every machine gets the same image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// Where it came from, for people.
    pub source: String,
    /// When it was added, RFC 3339.
    pub added: String,
}

/// An image of one level of processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its platform as the index says, such as `linux/amd64/v3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<Descriptor>,
}

impl Variant {
    fn rank(&self, level: Amd64Level) -> Option<u8> {
        rank(self.platform.as_deref().map(Platform::read).as_ref(), level)
    }

    /// True when every processor can run it.
    pub(super) fn runs_everywhere(&self) -> bool {
        self.rank(Amd64Level::V1).is_some()
    }
}

impl StoredImage {
    /// The image for a machine with a processor of this level; `None` when there is none.
    #[must_use]
    pub fn at(&self, level: Amd64Level) -> Option<Self> {
        if self.variants.is_empty() {
            return Some(self.clone());
        }
        let ranked = self.variants.iter().filter_map(|v| Some((v.rank(level)?, v)));
        let (_, variant) = ranked.min_by_key(|(rank, _)| *rank)?;
        Some(self.with(variant))
    }

    fn with(&self, variant: &Variant) -> Self {
        let Variant { manifest, config, layers, .. } = variant.clone();
        Self { manifest, config, layers, ..self.clone() }
    }

    /// The platforms of its variants, for people.
    #[must_use]
    pub fn platforms(&self) -> Vec<&str> {
        self.variants.iter().map(|v| v.platform.as_deref().unwrap_or("no platform")).collect()
    }

    /// The image as a plan pins it, under the name the plan uses.
    #[must_use]
    pub fn planned(&self, reference: &ImageReference) -> PlannedImage {
        PlannedImage {
            reference: reference.clone(),
            index: self.index.as_ref().map(|d| d.digest.clone()),
            manifest: Some(self.manifest.digest.clone()),
            config: Some(self.config.digest.clone()),
            near: Vec::new(),
        }
    }

    /// Everything the image refers to, itself included; a digest is repeated for each reference.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        let variants = self.variants.iter().flat_map(|v| [&v.manifest, &v.config].into_iter().chain(&v.layers));
        self.index.iter().chain([&self.manifest, &self.config]).chain(&self.layers).chain(variants)
    }

    /// Bytes it takes in the store; shared blobs count in each image.
    #[must_use]
    pub fn size(&self) -> u64 {
        let unique: BTreeMap<&Digest, u64> = self.descriptors().map(|d| (&d.digest, d.size)).collect();
        unique.values().sum()
    }

    /// Its index and manifests.
    pub fn documents(&self) -> impl Iterator<Item = &Descriptor> {
        self.index.iter().chain([&self.manifest]).chain(self.variants.iter().map(|v| &v.manifest))
    }

    /// The image that `digest` pins: itself for its index or its manifest, else the variant with that digest, which then
    /// applies to any processor.
    #[must_use]
    pub fn pinned(&self, digest: &Digest) -> Option<Self> {
        if self.index.as_ref().is_some_and(|d| d.digest == *digest) {
            return Some(self.clone());
        }
        let exact = |image: Self| Self { index: None, variants: Vec::new(), ..image };
        if self.manifest.digest == *digest {
            return Some(if self.variants.is_empty() { self.clone() } else { exact(self.clone()) });
        }
        let variant = self.variants.iter().find(|v| v.manifest.digest == *digest)?;
        Some(exact(self.with(variant)))
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
    /// Reads the file; a missing file is an empty store.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(StoreError::io("read", path)(e)),
        };
        let bad = |why: String| StoreError::Names { path: path.to_owned(), why };
        let names: Self = serde_json::from_slice(&text).map_err(|e| bad(format!("not futon's names file: {e}")))?;
        if names.schema == SCHEMA {
            Ok(names)
        } else {
            Err(bad(format!("has schema {:?}, not {SCHEMA:?}", names.schema)))
        }
    }

    /// Writes the file completely or not at all. The caller holds the store's lock.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let names = Self { schema: SCHEMA.to_owned(), images: self.images.clone() };
        // Always the same name: leftovers of a killed process are overwritten. The caller's lock keeps other processes away.
        let fresh = folder.join(".names.new");
        let mut file = File::create(&fresh).map_err(StoreError::io("write", &fresh))?;
        file.set_permissions(Permissions::from_mode(0o644)).map_err(StoreError::io("write", &fresh))?;
        let text = serde_json::to_vec_pretty(&names).map_err(|e| StoreError::io("write", path)(e.into()))?;
        file.write_all(&text).map_err(StoreError::io("write", &fresh))?;
        file.sync_data().map_err(StoreError::io("write", &fresh))?;
        std::fs::rename(&fresh, path).map_err(StoreError::io("write", path))?;
        Ok(())
    }

    /// The image of a name: a digest in the name decides alone, as it does for Docker.
    pub fn resolve(&self, reference: &ImageReference) -> Option<StoredImage> {
        match reference.digest() {
            Some(digest) => self.images.values().filter(|i| i.is_of(reference)).find_map(|i| i.pinned(digest)),
            None => self.images.get(&reference.canonical()).cloned(),
        }
    }

    /// Names in the store that are similar to an unknown one, the likeliest first.
    pub fn near(&self, reference: &ImageReference) -> Vec<String> {
        let wanted = reference.base_name();
        let distance = |image: &StoredImage| -> Option<usize> {
            let other = &image.reference;
            match other.base_name() == wanted {
                true if image.is_of(reference) => Some(0),
                // As podman names what it builds.
                true if other.registry() == "localhost" => Some(1),
                true => Some(2),
                false => Some(strsim::damerau_levenshtein(other.base_name(), wanted))
                    .filter(|slips| *slips <= 1 + wanted.len() / 12)
                    .map(|slips| 2 + slips),
            }
        };
        let mut near: Vec<(usize, String)> =
            self.images.values().filter_map(|i| Some((distance(i)?, i.reference.to_string()))).collect();
        near.sort();
        near.truncate(NEAR);
        near.into_iter().map(|(_, name)| name).collect()
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

    #[test]
    fn near_names_are_those_that_were_meant() {
        let descriptor =
            Descriptor { media_type: String::new(), digest: format!("sha256:{:064}", 1).parse().unwrap(), size: 1 };
        let image = |name: &str| StoredImage {
            reference: name.parse().unwrap(),
            index: None,
            manifest: descriptor.clone(),
            config: descriptor.clone(),
            layers: Vec::new(),
            variants: Vec::new(),
            source: String::new(),
            added: String::new(),
        };
        let mut names = Names::default();
        for name in ["localhost/my-function", "me/my-functoin:1", "ghcr.io/me/my-function:v1", "x/other", "x/y:2"] {
            names.images.insert(name.to_owned(), image(name));
        }
        let near = |name: &str| names.near(&name.parse().unwrap());
        assert_eq!(near("my-function"), ["localhost/my-function", "ghcr.io/me/my-function:v1", "me/my-functoin:1"]);
        assert_eq!(near("x/y"), ["x/y:2"]);
        assert!(near("quite/another").is_empty());
    }
}
