//! The part of a compose file that futon must understand; the whole file goes to the guest as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futon_model::ImageReference;
use serde::Deserialize;
use serde_json::Value;

use super::settings::service_settings;
use crate::bundle::ServiceSettings;
use crate::{Error, Result};

/// A compose file: where it is, its text, and its services.
#[derive(Debug, Clone)]
pub struct Compose {
    /// Path of the file, for messages.
    pub path: PathBuf,
    /// The file's text, served to the guest unchanged.
    pub text: String,
    /// Compose's name of the project.
    pub project: String,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// The whole file as it was read.
    pub raw: Value,
}

/// The project of a file that names none: the folder in which the guest has the file.
const PROJECT: &str = "futon";

/// One service of a compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Image name.
    pub image: ImageReference,
    /// Container name; the service's name where none is set.
    pub container: String,
    /// First published host port.
    pub host_port: Option<u16>,
    /// Services that this one depends on.
    pub depends_on: Vec<String>,
    /// futon's own settings.
    pub hints: FunctionHints,
    /// How it is to be run, where futon and not the guest's engine sees to that.
    pub settings: ServiceSettings,
}

/// futon's extension of a service: the key `x-futon`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FunctionHints {
    /// Name by which the test client knows the function.
    pub client: Option<String>,
    /// Method to call.
    pub method: Option<String>,
    /// Input of the calls.
    pub input: Option<String>,
}

#[derive(Deserialize)]
struct RawFile {
    name: Option<String>,
    services: BTreeMap<String, RawService>,
}

#[derive(Deserialize)]
struct RawService {
    image: Option<String>,
    container_name: Option<String>,
    #[serde(default)]
    ports: Vec<Value>,
    depends_on: Option<Value>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
    #[serde(rename = "x-futon", default)]
    hints: FunctionHints,
}

impl Compose {
    /// Reads a compose file.
    ///
    /// # Errors
    /// When the file cannot be read, is no compose file, or a service has no usable image.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::usage(format!("cannot read the compose file {}", path.display()))
                .caused_by(e)
                .hint("name another one with --functions FILE")
        })?;
        Self::parse(path, text)
    }

    /// Parses the text of a compose file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let malformed = |e: serde_saphyr::Error| {
            Error::usage(format!("malformed compose file {}", path.display())).caused_by(e.to_string()).hint(
                "a compose file has a map `services`, each with an `image`; `docker compose config` checks it, too",
            )
        };
        let file: RawFile = serde_saphyr::from_str(&text).map_err(malformed)?;
        let raw: Value = serde_saphyr::from_str(&text).map_err(malformed)?;
        let project = file.name.unwrap_or_else(|| PROJECT.to_owned());
        let mut services = BTreeMap::new();
        for (name, service) in file.services {
            let service = service.check(&project, &name).map_err(|why| {
                Error::usage(format!("malformed compose file {}: service {name}: {why}", path.display()))
                    .hint(format!("correct the service {name}, or name another file with --functions FILE"))
            })?;
            services.insert(name, service);
        }
        Ok(Self { path: path.to_owned(), text, project, services, raw })
    }

    /// A service and all it depends on, the service first.
    #[must_use]
    pub fn closure(&self, name: &str) -> Vec<&Service> {
        self.closure_names(name).iter().filter_map(|name| self.services.get(name)).collect()
    }

    /// Names of a service and of all it depends on, the service first, each after what needs it.
    #[must_use]
    pub fn closure_names(&self, name: &str) -> Vec<String> {
        let mut names = vec![name.to_owned()];
        let mut next = 0;
        while let Some(name) = names.get(next).cloned() {
            next += 1;
            for needed in self.services.get(&name).iter().flat_map(|service| &service.depends_on) {
                // Moved to the end when it is there already: what depends on it comes before it. A file with a circle ends all the same.
                if names[..next].contains(needed) {
                    continue;
                }
                names.retain(|n| n != needed);
                names.push(needed.clone());
            }
        }
        names
    }
}

/// Compose's name of a container that the file gives none.
pub(super) fn default_container(project: &str, service: &str) -> String {
    format!("{project}-{service}-1")
}

impl RawService {
    fn check(self, project: &str, name: &str) -> Result<Service, String> {
        let image = self.image.ok_or("no `image`")?;
        let depends_on = match self.depends_on {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(names)) => names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect(),
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            Some(other) => return Err(format!("`depends_on` is {other}, not a list or a map")),
        };
        let mut settings = service_settings(&self.others)?;
        settings.container_port = self.ports.iter().find_map(container_port);
        Ok(Service {
            settings,
            image: image.parse().map_err(|e: futon_model::ReferenceError| e.to_string())?,
            container: self.container_name.unwrap_or_else(|| default_container(project, name)),
            host_port: self.ports.iter().find_map(host_port),
            depends_on,
            hints: self.hints,
        })
    }
}

/// Host port of one entry of `ports`: `"50000:50051"`, `"127.0.0.1:50000:50051/tcp"` or the long form.
fn host_port(entry: &Value) -> Option<u16> {
    match entry {
        Value::String(text) => {
            let text = text.split('/').next().unwrap_or(text);
            let mut parts = text.rsplit(':');
            parts.next()?;
            parts.next()?.parse().ok()
        }
        Value::Object(map) => match map.get("published")? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()),
            _ => None,
        },
        _ => None,
    }
}

/// Port in the container of one entry of `ports`.
fn container_port(entry: &Value) -> Option<u16> {
    match entry {
        Value::String(text) => text.split('/').next()?.rsplit(':').next()?.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()),
        Value::Object(map) => map.get("target")?.as_u64().and_then(|n| u16::try_from(n).ok()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Compose> {
        Compose::parse(Path::new("functions.yaml"), text.to_owned())
    }

    #[test]
    fn reads_what_vswarm_writes() {
        let compose = parse(
            "name: vswarmu\nservices:\n  database:\n    image: vhiveease/mongodb\n    container_name: db\n  \
             geo:\n    image: vhiveease/hotel-app-geo:latest\n    container_name: function\n    \
             entrypoint: /app/server --url=0.0.0.0\n    ports:\n    - 50000:8083\n    depends_on:\n    - database\n",
        )
        .unwrap();
        let geo = &compose.services["geo"];
        assert_eq!((geo.host_port, geo.container.as_str()), (Some(50000), "function"));
        let plain = |head: &str| {
            Compose::parse(Path::new("f.yaml"), format!("{head}services:\n  fib:\n    image: a/b\n")).unwrap()
        };
        assert_eq!(plain("name: me\n").services["fib"].container, "me-fib-1");
        // As docker compose takes the folder's name, /run/futon.
        assert_eq!(plain("").services["fib"].container, "futon-fib-1");
        let images: Vec<_> = compose.closure("geo").iter().map(|s| s.image.written().to_owned()).collect();
        assert_eq!(images, ["vhiveease/hotel-app-geo:latest", "vhiveease/mongodb"]);
    }

    #[test]
    fn ports_in_all_forms() {
        for (entry, port) in [
            (serde_json::json!("50000:50051"), Some(50000)),
            (serde_json::json!("127.0.0.1:50001:50051/tcp"), Some(50001)),
            (serde_json::json!("50051"), None),
            (serde_json::json!({"target": 50051, "published": "50002"}), Some(50002)),
            (serde_json::json!({"target": 50051, "published": 50003}), Some(50003)),
        ] {
            assert_eq!(host_port(&entry), port, "{entry}");
            assert_eq!(container_port(&entry), Some(50051), "{entry}");
        }
    }

    #[test]
    fn malformed_files_say_where() {
        let error = parse("services:\n  a:\n    image: [1\n").unwrap_err();
        assert!(error.to_string().contains("functions.yaml"), "{error}");
        assert!(error.to_string().contains("line"), "{error}");
        assert!(error.hint_text().is_some());
        assert!(parse("services:\n  a:\n    ports: []\n").unwrap_err().to_string().contains("no `image`"));
        assert!(parse("nothing: here\n").is_err());
        assert!(parse("services:\n  a:\n    image: A B\n").is_err());
        assert!(parse("services:\n  a:\n    image: a\n    x-futon: {klient: a}\n").is_err());
    }
}
