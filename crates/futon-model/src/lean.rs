//! A lean guest's containers: `lean.json` at the head of a bundle.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::StartAfter;

/// A run's containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanBundle {
    /// `futon.lean/4`.
    pub schema: String,
    /// Networks that containers have addresses on.
    pub networks: Vec<LeanNetwork>,
    /// Containers in the order in which they are started where none has to wait; none when an image is refused.
    pub containers: Vec<LeanContainer>,
    /// An image that a Docker Engine does not take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<LeanRefusal>,
}

impl LeanBundle {
    /// Form of the file.
    pub const SCHEMA: &str = "futon.lean/4";
    /// Serial number of the disk that holds a bundle, where a disk does.
    pub const DISK_SERIAL: &str = "futon-bundle";
    /// Key of an extended attribute in a bundle's extended headers: its name and its value, both in hexadecimal digits, between
    /// them a space. PAX's own forms cannot hold every name, and not every reader takes every value.
    pub const XATTR: &str = "FUTON.xattr";
    /// Key of a modification time that the header cannot hold: seconds since 1970, a space, nanoseconds.
    pub const MTIME: &str = "FUTON.mtime";
    /// Where containers ask for names: the engine's address, in the network of each.
    pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
    /// Its name in the bundle.
    pub const FILE: &str = "lean.json";
    /// Settings of a container's process for healthchecks, in the container's folder.
    pub const CHECK: &str = "check.json";

    /// Where the guest keeps a container's network namespace, which it makes before the container.
    #[must_use]
    pub fn network_of(container: &str) -> String {
        format!("/run/futon-net/{container}")
    }
}

/// A network of containers: a bridge in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanNetwork {
    /// Its name, for messages.
    pub name: String,
    /// The guest's address on it.
    pub gateway: Ipv4Addr,
    /// Length of its prefix, bits.
    pub prefix: u8,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanContainer {
    /// Name, and folder in the bundle.
    pub name: String,
    /// Compose's name of its service.
    pub service: String,
    /// Image name as it is written in the plan.
    pub image: String,
    /// Digest of the image's configuration.
    pub image_id: String,
    /// Image name with the digest of its manifest.
    pub repo_digests: Vec<String>,
    /// Where its network comes from.
    pub network: LeanAttachment,
    /// Number of the signal that stops it; 0 if its settings name an unknown signal, which an engine notices when it stops the container.
    pub stop_signal: i32,
    /// How long a stop may take before it is killed, milliseconds.
    pub stop_grace_ms: u64,
    /// Why an engine would not make or start it; the engine's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What is waited for before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StartAfter>,
    /// How its health is found out, where others wait for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<LeanCheck>,
    /// When it is started again.
    #[serde(default, skip_serializing_if = "LeanRestart::is_never")]
    pub restart: LeanRestart,
    /// Whom its network's name server knows; nobody where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<LeanHost>,
}

/// A container on a network, as that network's name server knows it for another container there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanHost {
    /// Name of the container: it has its names as long as it runs.
    pub container: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its names.
    pub names: Vec<String>,
    /// The name that its address has.
    pub pointer: String,
}

/// Where a container's network comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeanAttachment {
    /// Addresses of its own.
    Own(Vec<LeanAddress>),
    /// Nothing but its loopback.
    None,
    /// The guest's own network.
    Host,
    /// The network of the container with this name, which is started before it.
    Container(String),
}

/// An address of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanAddress {
    /// Place of the network in the bundle's list.
    pub network: usize,
    /// The address on it.
    pub address: Ipv4Addr,
    /// Whether its default route leads there.
    pub default_route: bool,
}

/// A healthcheck; the command is in the container's [`LeanBundle::CHECK`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanCheck {
    /// Between two checks, milliseconds.
    pub interval_ms: u64,
    /// For one check, milliseconds.
    pub timeout_ms: u64,
    /// In which failures do not count, milliseconds.
    pub start_period_ms: u64,
    /// Between two checks within that, milliseconds.
    pub start_interval_ms: u64,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
}

/// When a container that has ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeanRestart {
    /// Never.
    #[default]
    Never,
    /// Whatever its status was.
    Always,
    /// When its status was not 0: so many times, or as often as it takes.
    OnFailure(Option<u32>),
}

impl LeanRestart {
    /// Whether it is never started again.
    #[must_use]
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }

    /// Whether it is started again after an end with `status`, having been so `times` already.
    #[must_use]
    pub fn again(self, status: i64, times: u32) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::OnFailure(most) => status != 0 && most.is_none_or(|most| times < most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_have_an_end_where_one_is_set() {
        assert!(!LeanRestart::Never.again(1, 0));
        assert!(LeanRestart::Always.again(0, 1000));
        let twice = LeanRestart::OnFailure(Some(2));
        assert_eq!(
            [(1, 0), (1, 1), (1, 2), (0, 0)].map(|(status, times)| twice.again(status, times)),
            [true, true, false, false]
        );
        assert!(LeanRestart::OnFailure(None).again(137, 1000));
    }
}

/// An image that a Docker Engine does not take, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanRefusal {
    /// Image name as it is written in the plan.
    pub image: String,
    /// The engine's words.
    pub why: String,
}
