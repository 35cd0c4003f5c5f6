//! The registry that a guest without a network carries: `registry.json` at the head of an archive of blobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// What is asked of a registry, and the answers. Blobs are files named by their hexadecimal digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedRegistry {
    /// Manifests by `REPOSITORY/manifests/TAG` and `REPOSITORY/manifests/DIGEST`, as the registry protocol has them behind `/v2/`.
    pub manifests: BTreeMap<String, CarriedManifest>,
}

/// A manifest of a [`CarriedRegistry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedManifest {
    /// Its digest, which names its file.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
}

impl CarriedRegistry {
    /// The list's name in the archive.
    pub const FILE: &str = "registry.json";
    /// The archive's folder in the guest, below that of the run script.
    pub const FOLDER: &str = "registry";

    /// A manifest's address behind `/v2/`.
    #[must_use]
    pub fn address(repository: &str, version: &str) -> String {
        format!("{repository}/manifests/{version}")
    }
}
