//! What a lean guest is told of its containers: `lean.json` at the head of a bundle.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A run's containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanBundle {
    /// `futon.lean/2`.
    pub schema: String,
    /// The guest's address on the containers' network.
    pub gateway: Ipv4Addr,
    /// Length of the network's prefix, bits.
    pub prefix: u8,
    /// Containers in the order in which they are started, the function's last; none when an image is refused.
    pub containers: Vec<LeanContainer>,
    /// An image that a Docker Engine does not take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<LeanRefusal>,
}

impl LeanBundle {
    /// Form of the file.
    pub const SCHEMA: &str = "futon.lean/2";
    /// Serial number of the disk that holds a bundle, where a disk does.
    pub const DISK_SERIAL: &str = "futon-bundle";
    /// Key of an extended attribute in a bundle's extended headers: its name and its value, both in hexadecimal digits, between
    /// them a space. PAX's own forms cannot hold every name, and not every reader takes every value.
    pub const XATTR: &str = "FUTON.xattr";
    /// Key of a modification time that the header cannot hold: seconds since 1970, a space, nanoseconds.
    pub const MTIME: &str = "FUTON.mtime";
    /// Its name in the bundle.
    pub const FILE: &str = "lean.json";

    /// Where the guest keeps a container's network namespace, which it makes before the container.
    #[must_use]
    pub fn network_of(container: &str) -> String {
        format!("/run/futon-net/{container}")
    }
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanContainer {
    /// Name, and folder in the bundle.
    pub name: String,
    /// Image name as it is written in the plan.
    pub image: String,
    /// Digest of the image's configuration.
    pub image_id: String,
    /// Image name with the digest of its manifest.
    pub repo_digests: Vec<String>,
    /// Its address on the containers' network.
    pub address: Ipv4Addr,
    /// Signal that stops it.
    pub stop_signal: String,
    /// How long a stop may take before it is killed, milliseconds.
    pub stop_grace_ms: u64,
}

/// An image that a Docker Engine does not take, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanRefusal {
    /// Image name as it is written in the plan.
    pub image: String,
    /// The engine's words.
    pub why: String,
}
