//! The whole of a compose file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Places, Service};

/// A compose file with all that it draws in, as Docker Compose understands it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Project {
    /// Compose's name of the project.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// Services by name, those of profiles that are not active included.
    pub services: BTreeMap<String, Service>,
    /// Networks that a service is in, by their names in the file.
    pub networks: BTreeMap<String, Network>,
    /// Volumes that a service mounts, by their names in the file.
    pub volumes: BTreeMap<String, Volume>,
    /// Configs that a service is given.
    pub configs: BTreeMap<String, FileObject>,
    /// Secrets that a service is given.
    pub secrets: BTreeMap<String, FileObject>,
    /// Keys at the top that this crate does not know; extensions (`x-…`) among them.
    pub other: BTreeMap<String, Value>,
    /// Services whose profiles are not active unless one of them is asked for.
    pub inactive: BTreeSet<String>,
    /// Compose's words about the file with services of all profiles, where it refuses that: then only services of active ones are here.
    pub without_profiles: Option<String>,
    /// What Compose warned of, one sentence each.
    pub warnings: Vec<String>,
    /// Where services and keys stand in the file.
    pub places: Arc<Places>,
    /// The whole as Compose prints it, dollar signs single.
    pub raw: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    name: String,
    services: BTreeMap<String, Service>,
    networks: BTreeMap<String, Option<Network>>,
    volumes: BTreeMap<String, Option<Volume>>,
    configs: BTreeMap<String, FileObject>,
    secrets: BTreeMap<String, FileObject>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

impl Project {
    /// Reads the document that `docker-compose config --format json` prints.
    ///
    /// # Errors
    /// When it is not such a document.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        let value = crate::unescape(serde_json::from_slice(text)?);
        let Document { name, services, networks, volumes, configs, secrets, other } = Document::deserialize(&value)?;
        let raw = match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let mut services = services;
        for (name, service) in &mut services {
            let keys = raw.get("services").and_then(|s| s.get(name)).and_then(Value::as_object);
            let set = keys.into_iter().flatten().filter(|(_, value)| !value.is_null());
            service.raw = set.map(|(key, value)| (key.clone(), value.clone())).collect();
        }
        let plain = |map: BTreeMap<String, Option<Network>>| map.into_iter().map(|(k, v)| (k, v.unwrap_or_default()));
        Ok(Self {
            name,
            services,
            networks: plain(networks).collect(),
            volumes: volumes.into_iter().map(|(k, v)| (k, v.unwrap_or_default())).collect(),
            configs,
            secrets,
            other,
            raw,
            ..Self::default()
        })
    }

    /// `FILE:LINE` of a service's key, or of the service, or the file alone: as far as it is known.
    #[must_use]
    pub fn place(&self, service: &str, key: Option<&str>) -> String {
        let file = self.file.display();
        match self.places.of(service, key) {
            Some(place) => format!("{file}:{}", place.line),
            None => file.to_string(),
        }
    }
}

/// A network of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Name that the engine gets.
    pub name: String,
    /// Driver.
    pub driver: Option<String>,
    /// Its options.
    pub driver_opts: BTreeMap<String, String>,
    /// Addresses.
    pub ipam: Ipam,
    /// Made by somebody else.
    pub external: bool,
    /// Without a way out.
    pub internal: bool,
    /// Whether other containers may join.
    pub attachable: bool,
    /// Whether it has IPv6 addresses.
    pub enable_ipv6: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// How a network gives addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ipam {
    /// Driver.
    pub driver: Option<String>,
    /// Ranges.
    pub config: Vec<IpamPool>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IpamPool {
    /// The range, as `172.20.0.0/16`.
    pub subnet: Option<String>,
    /// The gateway's address.
    pub gateway: Option<String>,
    /// The part of the range that containers get addresses from.
    pub ip_range: Option<String>,
    /// Addresses in other hands.
    pub aux_addresses: BTreeMap<String, String>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A volume of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Name that the engine gets.
    pub name: String,
    /// Driver.
    pub driver: Option<String>,
    /// Its options; with the driver `local` they can name any path of the host.
    pub driver_opts: BTreeMap<String, String>,
    /// Made by somebody else.
    pub external: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Keys that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A config or a secret of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileObject {
    /// Name.
    pub name: String,
    /// File that holds it, an absolute path.
    pub file: Option<String>,
    /// Variable of the caller's environment that holds it.
    pub environment: Option<String>,
    /// The text itself.
    pub content: Option<String>,
    /// Made by somebody else.
    pub external: bool,
    /// Keys that this crate does not know, and those of Swarm (`labels`, `driver`, `driver_opts`, `template_driver`).
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
