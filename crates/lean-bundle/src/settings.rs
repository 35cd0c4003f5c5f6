//! What a compose service sets over its image, as far as the lean guest's containers can have it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use futon_model::{LeanRestart, StartCondition};
use serde::{Deserialize, Serialize};

use super::image::ImageHealthcheck;

/// What a compose service sets over the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSettings {
    /// Entry point; takes the image's arguments away as well.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments.
    pub command: Option<Vec<String>>,
    /// Environment; a name without a value takes the engine's own value away.
    pub environment: Vec<(String, Option<String>)>,
    /// User.
    pub user: Option<String>,
    /// Supplementary groups, by name or number.
    pub groups: Vec<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Domain, behind the host name.
    pub domainname: Option<String>,
    /// What the process may do, and where it may write.
    pub security: Security,
    /// Limits.
    pub limits: Limits,
    /// Kernel settings of the container's namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// What is mounted, apart from the engine's own mounts.
    pub mounts: Vec<ServiceMount>,
    /// Memory that processes share at `/dev/shm`.
    pub shm: Shm,
    /// Where its network comes from.
    pub network: ServiceNet,
    /// Names that it finds others by.
    pub names: Names,
    /// Signal that stops the container.
    pub stop_signal: Option<String>,
    /// How long a stop may take, milliseconds.
    pub stop_grace_ms: Option<u64>,
    /// Its healthcheck, over the image's.
    pub healthcheck: Option<ImageHealthcheck>,
    /// When it is started again.
    pub restart: LeanRestart,
    /// Dependencies that must have come so far first: service, how far, whether it is an error where they do not.
    pub waits: Vec<(String, StartCondition, bool)>,
    /// Port in the container that the client calls.
    pub container_port: Option<u16>,
    /// Platform that its image must be made for, as written.
    pub platform: Option<String>,
    /// Why an engine would not make its container, whatever the image.
    pub refused: Option<String>,
    /// Keys of the service that have no effect in the lean guest.
    pub unknown: Vec<String>,
}

/// Memory that processes share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shm {
    /// As much as the engine gives.
    #[default]
    Default,
    /// So many bytes.
    Bytes(u64),
    /// None.
    None,
}

/// What a container's process may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// Capabilities that are added, `ALL` among them.
    pub cap_add: Vec<String>,
    /// Capabilities that are taken away, `ALL` among them.
    pub cap_drop: Vec<String>,
    /// Whether a program with set-id bits gains nothing.
    pub no_new_privileges: bool,
    /// System calls.
    pub seccomp: Seccomp,
    /// Whether nothing of `/proc` and `/sys` is hidden or read-only.
    pub open_paths: bool,
    /// Whether the root is read-only.
    pub read_only: bool,
}

/// Which system calls a container may make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// Those of Docker's own profile.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// Those of a profile in Docker's form, its text.
    Profile(String),
}

/// Limits of a container. What is `None` is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processors.
    pub cpuset: Option<String>,
    /// Share of processors, in billionths of one.
    pub nano_cpus: Option<i64>,
    /// Microseconds of a period.
    pub cpu_period: Option<i64>,
    /// Microseconds in each period.
    pub cpu_quota: Option<i64>,
    /// Weight where processors are scarce.
    pub cpu_shares: Option<i64>,
    /// Most memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory that it is left with when memory is scarce, bytes.
    pub memory_reservation: Option<u64>,
    /// Processes; none or fewer than one: no limit.
    pub pids: Option<i64>,
    /// Limits of each process: name as in `nofile`, soft, hard; -1: no limit.
    pub ulimits: Vec<(String, i64, i64)>,
    /// What the kernel adds when it looks for a process to end for want of memory.
    pub oom_score_adj: i64,
}

/// A mount of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceMount {
    /// Where in the container.
    pub target: String,
    /// What.
    pub source: MountSource,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A volume of the file: its name, and whether it is filled with what the image has there.
    Volume {
        /// Name in the compose file.
        name: String,
        /// Whether it is filled with what the image has there.
        copy: bool,
    },
    /// A volume of this container's own.
    Anonymous,
    /// Memory, with options of `mount`, separated by commas.
    Tmpfs(String),
    /// A file that the host has made up.
    Text {
        /// Its content.
        content: Vec<u8>,
        /// Its mode.
        mode: u32,
        /// Its owner.
        #[serde(default)]
        uid: u64,
        /// Its group.
        #[serde(default)]
        gid: u64,
    },
    /// A folder with nothing in it.
    NewFolder,
    /// A file or folder of the host, copied.
    Host(PathBuf),
}

/// Where a service's network comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceNet {
    /// Networks, in the order of their cards.
    Networks(Vec<NetworkPlace>),
    /// None but loopback.
    None,
    /// The guest's own.
    Host,
    /// Another service's.
    Service(String),
}

impl Default for ServiceNet {
    fn default() -> Self {
        Self::Networks(vec![NetworkPlace::default()])
    }
}

/// A service's place in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPlace {
    /// Name of the network in the compose file.
    pub network: String,
    /// Names by which others on it find the service, beside its own.
    pub aliases: Vec<String>,
    /// The address that it wants.
    pub address: Option<Ipv4Addr>,
}

impl Default for NetworkPlace {
    fn default() -> Self {
        Self { network: "default".into(), aliases: Vec::new(), address: None }
    }
}

/// What else finds names or is found, of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Lines of `/etc/hosts`: name, address.
    pub extra_hosts: Vec<(String, String)>,
    /// Other services under names of this service's own: service, name.
    pub links: Vec<(String, String)>,
    /// Domains that a short name is looked for in.
    pub dns_search: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
}
