//! The parts of a service that have a structure of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::units::{GoDuration, fraction, number};

/// A protocol of a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// Another word; Compose's schema has no list.
    #[serde(untagged)]
    Other(String),
}

impl Protocol {
    /// The word that the engine uses.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Other(word) => word,
        }
    }
}

/// An entry of `ports`. Compose has taken ranges of both sides apart already.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `ingress` or `host`; without Swarm they are the same.
    pub mode: String,
    /// Address of the host that is listened on; all where it is empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host_ip: String,
    /// Port in the container.
    pub target: u32,
    /// Port of the host: a number, a range, or empty where the engine is to choose.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub published: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Protocol of the application, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Port {
    /// The published ports, first and last; none where the engine is to choose or the text is no port.
    #[must_use]
    pub fn published_range(&self) -> Option<(u16, u16)> {
        let (first, last) = self.published.split_once('-').unwrap_or((&self.published, &self.published));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first != 0 && first <= last).then_some((first, last))
    }
}

/// What a service that depends on another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "code that does not know how to wait for a condition must not compile")]
pub enum Condition {
    /// The other was started.
    #[default]
    ServiceStarted,
    /// The other's healthcheck passes.
    ServiceHealthy,
    /// The other ended with status 0.
    ServiceCompletedSuccessfully,
}

impl Condition {
    /// The word of compose files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ServiceStarted => "service_started",
            Self::ServiceHealthy => "service_healthy",
            Self::ServiceCompletedSuccessfully => "service_completed_successfully",
        }
    }
}

/// An entry of `depends_on`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// What is waited for.
    #[serde(default)]
    pub condition: Condition,
    /// Whether the service is started anew when the other is.
    #[serde(default)]
    pub restart: bool,
    /// Whether the service does without the other where that is missing or fails.
    #[serde(default = "yes")]
    pub required: bool,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

fn yes() -> bool {
    true
}

/// `healthcheck`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `CMD`, `CMD-SHELL` or `NONE`, and what follows.
    pub test: Vec<String>,
    /// How long one check may take.
    pub timeout: Option<GoDuration>,
    /// Time between two checks.
    pub interval: Option<GoDuration>,
    /// How many checks in a row must fail.
    pub retries: Option<u64>,
    /// Time at the start in which a failure does not count.
    pub start_period: Option<GoDuration>,
    /// Time between two checks in that time.
    pub start_interval: Option<GoDuration>,
    /// No check, not even the image's own.
    pub disable: bool,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Healthcheck {
    /// Whether the service asks for no check at all.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.disable || self.test.first().is_some_and(|word| word == "NONE")
    }
}

/// An entry of `volumes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `npipe` or `cluster`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A path of the host, or the name of a volume of the file; empty for an anonymous volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Whether the container may only read.
    pub read_only: bool,
    /// Consistency, of no effect on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistency: Option<String>,
    /// More about a bind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind: Option<MountBind>,
    /// More about a volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<MountVolume>,
    /// More about a tmpfs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<MountTmpfs>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// More about a bind mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MountBind {
    /// `z` or `Z`.
    pub selinux: Option<String>,
    /// How mounts below it spread.
    pub propagation: Option<String>,
    /// Whether a source that is not there is made, as a folder.
    pub create_host_path: bool,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// More about a volume's mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MountVolume {
    /// The volume does not get the image's files of that folder.
    pub nocopy: bool,
    /// Folder of the volume.
    pub subpath: Option<String>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// More about a tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MountTmpfs {
    /// Size, bytes.
    #[serde(deserialize_with = "number")]
    pub size: Option<i64>,
    /// Mode of its root.
    pub mode: Option<u32>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A config or secret that a service is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceFile {
    /// Its name in the file.
    pub source: String,
    /// Path in the container.
    pub target: Option<String>,
    /// Owner; without Swarm of no effect.
    pub uid: Option<String>,
    /// Group; without Swarm of no effect.
    pub gid: Option<String>,
    /// Mode; without Swarm of no effect.
    pub mode: Option<u32>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A network that a service is in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceNetwork {
    /// The network with the highest one gives the default route.
    pub priority: i64,
    /// More names there.
    pub aliases: Vec<String>,
    /// Fixed address.
    pub ipv4_address: Option<String>,
    /// Fixed address.
    pub ipv6_address: Option<String>,
    /// More addresses of the link.
    pub link_local_ips: Vec<String>,
    /// Hardware address.
    pub mac_address: Option<String>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A limit of `ulimits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RawUlimit")]
pub struct Ulimit {
    /// Soft limit; -1 for none.
    pub soft: i64,
    /// Hard limit; -1 for none.
    pub hard: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawUlimit {
    Single(i64),
    Both {
        #[serde(default)]
        soft: i64,
        #[serde(default)]
        hard: i64,
    },
}

impl From<RawUlimit> for Ulimit {
    fn from(raw: RawUlimit) -> Self {
        match raw {
            RawUlimit::Single(both) => Self { soft: both, hard: both },
            RawUlimit::Both { soft, hard } => Self { soft, hard },
        }
    }
}

/// `logging`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Driver.
    pub driver: Option<String>,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `deploy`, of which Compose without Swarm reads a part.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Deploy {
    /// `replicated` or `global`.
    pub mode: Option<String>,
    /// How many containers.
    pub replicas: Option<u32>,
    /// What the containers may use.
    pub resources: DeployResources,
    /// When a container is started again.
    pub restart_policy: Option<RestartPolicy>,
    /// Keys that mean something to Swarm alone (`labels`, `update_config`, `rollback_config`, `placement`, `endpoint_mode`), or that this
    /// crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `deploy.resources`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeployResources {
    /// At most.
    pub limits: Option<Resource>,
    /// At least.
    pub reservations: Option<Resource>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Amounts of `deploy.resources`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// Processors.
    #[serde(deserialize_with = "fraction")]
    pub cpus: Option<f64>,
    /// Memory, bytes.
    #[serde(deserialize_with = "number")]
    pub memory: Option<i64>,
    /// Processes and threads.
    pub pids: Option<i64>,
    /// Devices, such as GPUs.
    pub devices: Vec<Value>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `deploy.restart_policy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// `none`, `on-failure` or `any`.
    pub condition: Option<String>,
    /// Time before a start.
    pub delay: Option<GoDuration>,
    /// How often.
    pub max_attempts: Option<u64>,
    /// Time after which a start has worked.
    pub window: Option<GoDuration>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
