//! A service with every key that Compose's canonical form can have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::units::{GoDuration, fraction, number};
use crate::{Dependency, Deploy, Healthcheck, Logging, Mount, Port, ServiceFile, ServiceNetwork, Ulimit};

/// A service. Field names are the keys of compose files; what they mean is said there
/// (Compose specification, "services"). Extensions (`x-…`) are in [`Service::extensions`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are the keys of the Compose specification")]
pub struct Service {
    pub annotations: BTreeMap<String, String>,
    pub attach: Option<bool>,
    /// How the image would be built.
    pub build: Option<Value>,
    pub blkio_config: Option<Value>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub cgroup: Option<String>,
    pub cgroup_parent: Option<String>,
    /// `None` leaves the image's; an empty list is one that was written.
    pub command: Option<Vec<String>>,
    pub configs: Vec<ServiceFile>,
    pub container_name: Option<String>,
    pub cpu_count: Option<i64>,
    pub cpu_percent: Option<f64>,
    pub cpu_period: Option<i64>,
    pub cpu_quota: Option<i64>,
    pub cpu_rt_period: Option<i64>,
    pub cpu_rt_runtime: Option<i64>,
    pub cpu_shares: Option<i64>,
    #[serde(deserialize_with = "fraction")]
    pub cpus: Option<f64>,
    pub cpuset: Option<String>,
    pub credential_spec: Option<Value>,
    pub depends_on: BTreeMap<String, Dependency>,
    pub deploy: Option<Deploy>,
    pub develop: Option<Value>,
    pub device_cgroup_rules: Vec<String>,
    /// Each a text `SOURCE:TARGET:RIGHTS`, or a map of the three, as the version of Compose has it.
    pub devices: Vec<Value>,
    pub dns: Vec<String>,
    pub dns_opt: Vec<String>,
    pub dns_search: Vec<String>,
    pub domainname: Option<String>,
    /// `None` leaves the image's; an empty list takes the image's away.
    pub entrypoint: Option<Vec<String>>,
    /// `None` for a name that is set nowhere.
    pub environment: BTreeMap<String, Option<String>>,
    pub expose: Vec<String>,
    pub external_links: Vec<String>,
    /// `NAME=ADDRESS`, sorted.
    pub extra_hosts: Vec<String>,
    pub group_add: Vec<String>,
    pub healthcheck: Option<Healthcheck>,
    pub hostname: Option<String>,
    pub image: Option<String>,
    pub init: Option<bool>,
    pub ipc: Option<String>,
    pub isolation: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub links: Vec<String>,
    pub logging: Option<Logging>,
    pub mac_address: Option<String>,
    /// Bytes.
    #[serde(deserialize_with = "number")]
    pub mem_limit: Option<i64>,
    /// Bytes.
    #[serde(deserialize_with = "number")]
    pub mem_reservation: Option<i64>,
    /// 0 to 100.
    #[serde(deserialize_with = "number")]
    pub mem_swappiness: Option<i64>,
    /// Bytes of memory and swap together; -1 for no limit.
    #[serde(deserialize_with = "number")]
    pub memswap_limit: Option<i64>,
    pub network_mode: Option<String>,
    /// Networks by their names in the file; a service that names none is in `default`.
    pub networks: BTreeMap<String, Option<ServiceNetwork>>,
    pub oom_kill_disable: bool,
    pub oom_score_adj: Option<i64>,
    pub pid: Option<String>,
    pub pids_limit: Option<i64>,
    pub platform: Option<String>,
    pub ports: Vec<Port>,
    pub privileged: bool,
    pub profiles: Vec<String>,
    pub pull_policy: Option<String>,
    pub read_only: bool,
    pub restart: Option<String>,
    pub runtime: Option<String>,
    pub scale: Option<u32>,
    pub secrets: Vec<ServiceFile>,
    pub security_opt: Vec<String>,
    /// Bytes.
    #[serde(deserialize_with = "number")]
    pub shm_size: Option<i64>,
    pub stdin_open: bool,
    pub stop_grace_period: Option<GoDuration>,
    pub stop_signal: Option<String>,
    pub storage_opt: BTreeMap<String, String>,
    pub sysctls: BTreeMap<String, String>,
    pub tmpfs: Vec<String>,
    pub tty: bool,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub user: Option<String>,
    pub userns_mode: Option<String>,
    pub uts: Option<String>,
    pub volumes: Vec<Mount>,
    pub volumes_from: Vec<String>,
    pub working_dir: Option<String>,
    /// Keys that this crate does not know: nothing is dropped in silence.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
    /// The whole service as Compose prints it, dollar signs single; keys without a value left out.
    #[serde(skip)]
    pub raw: Map<String, Value>,
    /// Extensions of the service, `x-…`.
    #[serde(skip)]
    pub extensions: BTreeMap<String, Value>,
}

/// A variable of `environment` as an engine takes it: `NAME=value`, or the name alone for one that is set nowhere, which takes the image's own
/// away.
#[must_use]
pub fn assignment(name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}"))
}

impl Service {
    /// The name of its first container: the one that the file gives it, else Compose's.
    #[must_use]
    pub fn container(&self, project: &str, service: &str) -> String {
        self.container_name.clone().unwrap_or_else(|| format!("{project}-{service}-1"))
    }

    /// The names of the keys that the service sets, extensions left out.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.raw.keys().map(String::as_str)
    }

    /// The engine's restart policy, as Compose 2.26 makes it of `deploy: restart_policy`, which takes the place of `restart`, or of that: name,
    /// and how often. Nothing where the service has neither. The engine may refuse what it comes to.
    #[must_use]
    pub fn restart_policy(&self) -> Option<(&str, i64)> {
        let policy = self.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
        let (name, times) = match (policy, self.restart.as_deref().filter(|written| !written.is_empty())) {
            (Some(policy), _) => {
                let times = policy.max_attempts.map_or(0, |times| i64::try_from(times).unwrap_or(i64::MAX));
                (policy.condition.as_deref().unwrap_or_default(), times)
            }
            (None, Some(written)) => {
                let mut parts = written.split(':');
                let name = parts.next().unwrap_or_default();
                // What is no number counts for nothing.
                (name, parts.next().and_then(|times| times.parse().ok()).unwrap_or(0))
            }
            (None, None) => return None,
        };
        let name = match name {
            "none" | "" => "no",
            "any" => "always",
            other => other,
        };
        Some((name, times))
    }

    /// The key that says how many containers it asks for.
    #[must_use]
    pub fn replicas_key(&self) -> &'static str {
        if self.scale.is_some() { "scale" } else { "deploy" }
    }

    /// How many containers it asks for.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.scale.or_else(|| self.deploy.as_ref().and_then(|d| d.replicas)).unwrap_or(1)
    }
}
