//! Image manifests and indexes, in OCI and Docker format: reading, checking, writing.

use futon_model::Digest;
use serde::{Deserialize, Deserializer, Serialize};

use super::StoreError;
use super::json::or_default;
use super::platform::Platform;

/// Media types that the store and the exchange's registry use.
pub mod media_type {
    /// OCI image manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI image configuration.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// Uncompressed OCI layer.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// OCI layer, gzip.
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// Docker image manifest, version 2 schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker manifest list.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
}

/// Largest manifest, index or configuration that is read, bytes.
pub(super) const MAX_DOCUMENT: u64 = 8 << 20;

/// A piece of content: what it is, its digest, its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type.
    #[serde(default, deserialize_with = "or_default")]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content, bytes.
    pub size: u64,
}

/// An entry of an image index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IndexEntry {
    #[serde(default, deserialize_with = "or_default")]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    pub platform: Option<Platform>,
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

impl IndexEntry {
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { media_type: self.media_type.clone(), digest: self.digest.clone(), size: self.size }
    }
}

/// A manifest or an index, after its content.
#[derive(Debug)]
pub(super) enum Document {
    Index { media_type: String, entries: Vec<IndexEntry> },
    Manifest(Manifest),
}

/// An image's manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    artifact_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    #[serde(default, deserialize_with = "or_default")]
    media_type: String,
    #[serde(default, deserialize_with = "or_default")]
    artifact_type: String,
    // The outer one: is the key there? The inner one: is it null?
    #[serde(default, deserialize_with = "present")]
    manifests: Option<Option<Vec<IndexEntry>>>,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "or_default")]
    layers: Vec<Descriptor>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Document {
    /// Reads a manifest or an index. `what` names it in errors.
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|e| StoreError::not_an_image(what, format!("not an image manifest: {e}")))?;
        if raw.schema_version == Some(1) {
            let hint = "manifest of Docker's schema 1, which engines no longer pull (hint: push the image again with a current engine)";
            return Err(StoreError::not_an_image(what, hint));
        }
        let or = |default: &str| if raw.media_type.is_empty() { default.to_owned() } else { raw.media_type.clone() };
        match (raw.manifests, raw.config) {
            (Some(entries), None) if raw.layers.is_empty() => {
                Ok(Self::Index { media_type: or(media_type::OCI_INDEX), entries: entries.unwrap_or_default() })
            }
            (None, Some(config)) => Ok(Self::Manifest(Manifest {
                media_type: or(media_type::OCI_MANIFEST),
                config,
                layers: raw.layers,
                artifact_type: raw.artifact_type,
            })),
            _ if !raw.artifact_type.is_empty() => Err(artifact(what, &raw.artifact_type, "")),
            _ => Err(StoreError::not_an_image(what, "neither an image manifest nor an image index")),
        }
    }
}

/// Media types that the engine accepts for a configuration in Docker's own manifest: the last four come from old registries.
const DOCKER_CONFIGS: [&str; 6] = [
    "application/vnd.docker.container.image.v1+json",
    media_type::OCI_CONFIG,
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
];

/// Prefixes of the media types that the engine accepts for configurations and layers.
const IMAGE_PREFIXES: [&str; 2] = ["application/vnd.oci.image.", "application/vnd.docker."];

/// Maximum number of layers in the engine's storage.
const MAX_LAYERS: usize = 125;

impl Manifest {
    /// Refuses what an engine would not accept as an image: charts, signatures, bills of materials, and too many layers.
    pub fn check(&self, what: &str) -> Result<(), StoreError> {
        let kind = self.config.media_type.to_ascii_lowercase();
        let known = |kind: &str| DOCKER_CONFIGS.contains(&kind) || IMAGE_PREFIXES.iter().any(|p| kind.starts_with(p));
        let image = if self.media_type == media_type::DOCKER_MANIFEST {
            DOCKER_CONFIGS.contains(&self.config.media_type.as_str())
        } else {
            known(&kind)
        };
        if !image {
            return Err(artifact(what, &self.artifact_type, &self.config.media_type));
        }
        if let Some(layer) = self.layers.iter().find(|l| !known(&l.media_type.to_ascii_lowercase())) {
            let why =
                format!("not an image: unsupported media type {} of the layer {}", layer.media_type, layer.digest);
            return Err(StoreError::not_an_image(what, why));
        }
        check_depth(what, self.layers.len())
    }
}

/// Refuses more layers than an engine can stack.
pub(super) fn check_depth(what: &str, layers: usize) -> Result<(), StoreError> {
    if layers <= MAX_LAYERS {
        return Ok(());
    }
    let why = format!(
        "max depth exceeded: it has {layers} layers, but an engine accepts at most {MAX_LAYERS} (hint: build it with fewer steps, or in stages)"
    );
    Err(StoreError::not_an_image(what, why))
}

fn artifact(what: &str, artifact_type: &str, config: &str) -> StoreError {
    let mut why = String::from("not an image:");
    if !artifact_type.is_empty() {
        why += &format!(" artifactType {artifact_type}");
    }
    if !config.is_empty() {
        let comma = if artifact_type.is_empty() { "" } else { "," };
        why += &format!("{comma} unsupported media type {config} of its configuration");
    }
    why += " (hint: give the name of the image itself; this is an artifact stored beside images)";
    StoreError::not_an_image(what, why)
}

/// Writes an OCI manifest. The same parts always give the same bytes, and so the same digest.
pub(super) fn write_manifest(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest<'a> {
        schema_version: u32,
        media_type: &'a str,
        config: &'a Descriptor,
        layers: &'a [Descriptor],
    }
    let manifest = Manifest { schema_version: 2, media_type: media_type::OCI_MANIFEST, config, layers };
    // Plain structs of strings and numbers cannot fail to serialize.
    serde_json::to_vec(&manifest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(extra: &str, config: &str, layers: &[&str]) -> Result<(), String> {
        let digest = format!(r#""digest":"sha256:{}","size":1"#, "a".repeat(64));
        let layers: Vec<String> = layers.iter().map(|l| format!(r#"{{"mediaType":"{l}",{digest}}}"#)).collect();
        let text = format!(
            r#"{{"schemaVersion":2,{extra}"config":{{"mediaType":"{config}",{digest}}},"layers":[{}]}}"#,
            layers.join(",")
        );
        match Document::parse("x", text.as_bytes()) {
            Ok(Document::Manifest(manifest)) => manifest.check("x").map_err(|e| e.to_string()),
            Ok(Document::Index { .. }) => panic!("a manifest was given"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn what_is_no_image_is_told_by_its_types() {
        let layer = media_type::OCI_LAYER_GZIP;
        assert_eq!(
            manifest("", media_type::OCI_CONFIG, &[layer, "application/vnd.docker.image.rootfs.diff.tar.gzip"]),
            Ok(())
        );
        assert_eq!(manifest("", "", &[""]), Ok(()));
        assert_eq!(
            manifest(r#""artifactType":"x/y","#, media_type::OCI_CONFIG, &[layer]),
            Ok(()),
            "the engine takes it"
        );
        let empty = "application/vnd.oci.empty.v1+json";
        let error = manifest(r#""artifactType":"application/spdx+json","#, empty, &[empty]).unwrap_err();
        assert!(error.contains("not an image: artifactType application/spdx+json") && error.contains(empty), "{error}");
        let error = manifest("", "application/vnd.cncf.helm.config.v1+json", &[layer]).unwrap_err();
        assert!(error.contains("unsupported media type application/vnd.cncf.helm.config.v1+json"), "{error}");
        let docker = format!(r#""mediaType":"{}","#, media_type::DOCKER_MANIFEST);
        assert!(manifest(&docker, "application/vnd.docker.plugin.v1+json", &[]).is_err());
        let error = manifest("", media_type::OCI_CONFIG, &[layer, "application/vnd.in-toto+json"]).unwrap_err();
        assert!(error.contains("in-toto"), "{error}");
        let old = r#"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","artifactType":"text/x"}"#;
        assert!(
            Document::parse("x", old.as_bytes()).unwrap_err().to_string().contains("not an image: artifactType text/x")
        );
    }

    #[test]
    fn more_layers_than_an_engine_stacks_are_refused() {
        assert_eq!(manifest("", "", &[""; 125]), Ok(()));
        let error = manifest("", "", &[""; 126]).unwrap_err();
        assert!(error.contains("max depth exceeded") && error.contains("126"), "{error}");
    }

    #[test]
    fn null_lists_are_empty_and_other_documents_are_refused() {
        let index = Document::parse("x", br#"{"schemaVersion":2,"manifests":null}"#).unwrap();
        assert!(matches!(index, Document::Index { entries, .. } if entries.is_empty()));
        for text in ["", "[]", "{}", r#"{"schemaVersion":1}"#, r#"{"config":1}"#, r#"{"layers":null}"#] {
            assert!(Document::parse("x", text.as_bytes()).is_err(), "{text}");
        }
    }
}
