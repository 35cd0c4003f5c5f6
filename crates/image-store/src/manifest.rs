//! Image manifests and indexes, in both the OCI and the Docker form: reading, choosing, writing.

use futon_model::Digest;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// Media types that the store and the exchange's registry speak.
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
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

impl IndexEntry {
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { media_type: self.media_type.clone(), digest: self.digest.clone(), size: self.size }
    }
}

/// Operating system and architecture an image is made for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
}

impl Platform {
    /// True for the one platform that futon's machines run. A configuration may leave the words out.
    pub fn fits(&self) -> bool {
        (self.os.is_empty() || self.os == "linux") && (self.architecture.is_empty() || self.architecture == "amd64")
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// A manifest or an index, after its content.
#[derive(Debug)]
pub(super) enum Document {
    Index { media_type: String, entries: Vec<IndexEntry> },
    Manifest { media_type: String, config: Descriptor, layers: Vec<Descriptor> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<Vec<IndexEntry>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

impl Document {
    /// Reads a manifest or an index. `what` names it in errors.
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|e| StoreError::not_an_image(what, format!("not an image manifest: {e}")))?;
        if raw.schema_version == Some(1) {
            let hint = "manifest of Docker's schema 1, which no engine pulls any more (hint: push the image again with a current engine)";
            return Err(StoreError::not_an_image(what, hint));
        }
        match (raw.manifests, raw.config, raw.layers) {
            (Some(entries), None, None) => Ok(Self::Index {
                media_type: raw.media_type.unwrap_or_else(|| media_type::OCI_INDEX.to_owned()),
                entries,
            }),
            (None, Some(config), Some(layers)) => Ok(Self::Manifest {
                media_type: raw.media_type.unwrap_or_else(|| media_type::OCI_MANIFEST.to_owned()),
                config,
                layers,
            }),
            _ => Err(StoreError::not_an_image(what, "neither an image manifest nor an image index")),
        }
    }
}

/// Picks the linux/amd64 image of an index.
pub(super) fn choose<'e>(what: &str, entries: &'e [IndexEntry]) -> Result<&'e IndexEntry, StoreError> {
    let named =
        |entry: &&IndexEntry| entry.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == "amd64");
    // An entry without a platform is only taken where nothing else can be meant.
    let only = |entries: &'e [IndexEntry]| match entries {
        [one] if one.platform.is_none() => Some(one),
        _ => None,
    };
    entries.iter().find(named).or_else(|| only(entries)).ok_or_else(|| {
        let offered: Vec<String> =
            entries.iter().filter_map(|e| e.platform.as_ref()).map(Platform::to_string).collect();
        let offered = if offered.is_empty() { "no platform at all".to_owned() } else { offered.join(", ") };
        StoreError::Platform { what: what.to_owned(), offered }
    })
}

/// The parts of an image configuration that the store looks at.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(flatten)]
    pub platform: Platform,
    #[serde(default)]
    pub rootfs: RootFs,
}

/// Digests of the uncompressed layers.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RootFs {
    #[serde(default)]
    pub diff_ids: Vec<Digest>,
}

impl Config {
    /// Reads a configuration and refuses one that is for another platform.
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let config: Self = serde_json::from_slice(bytes)
            .map_err(|e| StoreError::not_an_image(what, format!("not an image configuration: {e}")))?;
        if config.platform.fits() {
            Ok(config)
        } else {
            Err(StoreError::Platform { what: what.to_owned(), offered: config.platform.to_string() })
        }
    }
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

    fn entry(platform: &str) -> String {
        format!(r#"{{"mediaType":"m","digest":"sha256:{}","size":1{platform}}}"#, "a".repeat(64))
    }

    fn index(entries: &[String]) -> Vec<IndexEntry> {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        match Document::parse("test", text.as_bytes()).unwrap() {
            Document::Index { entries, .. } => entries,
            Document::Manifest { .. } => panic!("an index was given"),
        }
    }

    #[test]
    fn the_amd64_image_of_an_index_is_chosen() {
        let arm = entry(r#","platform":{"os":"linux","architecture":"arm64"}"#);
        let amd = entry(r#","platform":{"os":"linux","architecture":"amd64"}"#);
        let proof = entry(r#","platform":{"os":"unknown","architecture":"unknown"}"#);
        let entries = index(&[arm.clone(), proof.clone(), amd]);
        assert_eq!(choose("x", &entries).unwrap().platform.as_ref().unwrap().architecture, "amd64");
        let error = choose("x", &index(&[arm, proof])).unwrap_err().to_string();
        assert!(error.contains("linux/arm64") && error.contains("hint:"), "{error}");
        assert!(choose("x", &index(&[entry("")])).is_ok(), "a single entry without platform is meant");
        assert!(choose("x", &index(&[entry(""), entry("")])).is_err());
    }

    #[test]
    fn other_documents_are_refused() {
        for text in ["", "[]", "{}", r#"{"schemaVersion":1}"#, r#"{"config":1}"#] {
            assert!(Document::parse("x", text.as_bytes()).is_err(), "{text}");
        }
        assert!(Config::parse("x", br#"{"os":"windows","architecture":"amd64"}"#).is_err());
        assert!(Config::parse("x", b"{}").is_ok());
    }
}
