//! The compose file that the guest gets: a service and what it needs, with nothing left to look up. Variables, `env_file`, `extends` and the
//! like are resolved; files of the host are copies in the guest; keys for building and for the host are removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use compose_model::{FileObject, Project, Service, ServiceFile};
use futon_common::{Error, Result};
use serde_json::{Map, Value, json};

use super::Compose;
use super::handover::{Bound, Handover};

/// Keys of a service that mean nothing in the guest.
const LEFT_OUT: [&str; 8] = ["attach", "build", "configs", "develop", "env_file", "extends", "profiles", "secrets"];

/// The file, as a model, with the files that it needs from the host.
#[derive(Debug)]
pub(super) struct GuestFile {
    /// The services of the closure alone.
    pub(super) project: Project,
    /// Files of the host.
    pub(super) handover: Handover,
    /// Remarks.
    pub(super) remarks: Vec<String>,
}

/// Makes the guest's file of the services `names`.
///
/// # Errors
/// When a file that a service needs is missing or cannot be copied.
pub(super) fn guest_file(compose: &Compose, names: &[&str]) -> Result<GuestFile> {
    let mut made =
        Making { compose, handover: Handover::default(), remarks: Vec::new(), variables: compose.variables(names)? };
    let project = &compose.project;
    let mut services = Map::new();
    for &name in names {
        services.insert(name.to_owned(), made.service(name, names)?.into());
    }
    let used = |kind: &str, key: &str| {
        let all = project.raw.get(kind).and_then(Value::as_object);
        let of_service = |service: &Value| match service.get(key) {
            Some(Value::Object(map)) => map.keys().cloned().collect::<Vec<_>>(),
            Some(Value::Array(list)) => {
                let named = list.iter().filter(|mount| mount["type"] == "volume");
                named.filter_map(|mount| mount["source"].as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        let wanted: Vec<String> = services.values().flat_map(of_service).collect();
        let kept = all.into_iter().flatten().filter(|(name, _)| wanted.contains(name));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
    };
    let (networks, volumes) = (used("networks", "networks"), used("volumes", "volumes"));
    let mut document = json!({ "name": project.name, "services": services });
    for (key, map) in [("networks", networks), ("volumes", volumes)] {
        if !map.is_empty() {
            document[key] = map.into();
        }
    }
    let text = compose_model::escape(document).to_string();
    let guests = Project::from_json(text.as_bytes())
        .map_err(|e| Error::infra(format!("the compose file for the guest is malformed: {e}")))?;
    let guests = Project { file: project.file.clone(), places: Arc::clone(&project.places), ..guests };
    Ok(GuestFile { project: guests, handover: made.handover, remarks: made.remarks })
}

/// The file's text: JSON is YAML; dollar signs are not variables here.
pub(super) fn text(project: &Project) -> String {
    let document = compose_model::escape(Value::Object(project.raw.clone()));
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

impl Compose {
    /// Variables of the host that configs and secrets of services are made from.
    fn variables(&self, names: &[&str]) -> Result<BTreeMap<String, Option<String>>> {
        let project = &self.project;
        let services = names.iter().filter_map(|name| project.services.get(*name));
        let objects = services.flat_map(|service| {
            let configs = service.configs.iter().filter_map(|c| project.configs.get(&c.source));
            configs.chain(service.secrets.iter().filter_map(|s| project.secrets.get(&s.source)))
        });
        let wanted: Vec<&str> = objects.filter_map(|object| object.environment.as_deref()).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.loader.variables(&self.path, &wanted).map_err(|e| Error::usage(e.to_string()))
    }
}

struct Making<'a> {
    compose: &'a Compose,
    handover: Handover,
    remarks: Vec<String>,
    variables: BTreeMap<String, Option<String>>,
}

impl Making<'_> {
    fn service(&mut self, name: &str, names: &[&str]) -> Result<Map<String, Value>> {
        let Some(service) = self.compose.project.services.get(name) else { return Ok(Map::new()) };
        let mut keys: Map<String, Value> = service
            .raw
            .iter()
            .filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        if let Some(Value::Object(needed)) = keys.get_mut("depends_on") {
            needed.retain(|other, _| names.contains(&other.as_str()));
        }
        // Compose prints these with capitals and does not read them so.
        if let Some(blkio) = keys.get_mut("blkio_config") {
            *blkio = lower_keys(blkio.take());
        }
        let folder = std::path::absolute(&self.compose.path).unwrap_or_default();
        let folder = folder.parent().unwrap_or_else(|| Path::new("/"));
        if let Some(Value::Array(mounts)) = keys.get_mut("volumes") {
            for (value, mount) in mounts.iter_mut().zip(&service.volumes).filter(|(_, mount)| mount.kind == "bind") {
                let make = mount.bind.as_ref().is_none_or(|bind| bind.create_host_path);
                match self.handover.bind(Path::new(&mount.source), folder, make) {
                    Ok(Bound::Copy(path)) => value["source"] = path.into(),
                    Ok(Bound::Guests) => {
                        self.remarks
                            .push(format!("service {name}: {} is the guest's own, not the host's", mount.source));
                    }
                    Err(why) => {
                        let hint = "futon copies files and small folders to the guest";
                        return Err(self.compose.at(name, "volumes", &why).hint(hint));
                    }
                }
            }
        }
        let project = &self.compose.project;
        let mut files = Vec::new();
        for (key, list, objects, base) in [
            ("configs", &service.configs, &project.configs, "/"),
            ("secrets", &service.secrets, &project.secrets, "/run/secrets/"),
        ] {
            for file in list {
                let object = objects.get(&file.source).cloned().unwrap_or_default();
                let source = self.object(file, &object).map_err(|why| {
                    let why = format!("{}: {why}", file.source);
                    self.compose.at(name, key, &why).hint("futon copies configs and secrets to the guest as files")
                })?;
                let target = match file.target.as_deref() {
                    None | Some("") => format!("{base}{}", file.source),
                    Some(path) if path.starts_with('/') => path.to_owned(),
                    Some(path) => format!("{base}{path}"),
                };
                // Compose mounts what is a file on its machine, and copies anything else into the container that it has made.
                let copied = object.file.is_none();
                if copied && let Some(why) = not_copied(service, &target) {
                    let hint = "Docker Compose copies it into the container it has made; give it as a `file:`, which is mounted";
                    return Err(self.compose.at(name, key, &format!("{}: {why}", file.source)).hint(hint));
                }
                files.push(json!({"type": "bind", "source": source, "target": target, "read_only": !copied}));
            }
        }
        if !files.is_empty() {
            let mounts = keys.entry("volumes").or_insert_with(|| json!([]));
            if let Value::Array(mounts) = mounts {
                // As with Compose, a volume at the same place goes before.
                files.retain(|file| mounts.iter().all(|mount| mount["target"] != file["target"]));
                mounts.extend(files);
            }
        }
        Ok(keys)
    }

    /// A config or secret, as a file of the guest.
    fn object(&mut self, file: &ServiceFile, object: &FileObject) -> Result<String, String> {
        if object.external {
            return Err("it is external: futon does not know its content".into());
        }
        if let Some(path) = &object.file {
            return self.handover.path(Path::new(path));
        }
        let text = match (&object.content, &object.environment) {
            (Some(content), _) => content.clone(),
            (None, Some(variable)) => match self.variables.get(variable) {
                Some(Some(value)) => value.clone(),
                _ => return Err(format!("the variable {variable} is not set")),
            },
            (None, None) => return Err("it has no content".into()),
        };
        let number = |id: &Option<String>| {
            id.as_deref().map_or(Ok(0), |id| id.parse().map_err(|_| format!("{id:?} is not an id")))
        };
        let (uid, gid) = (number(&file.uid)?, number(&file.gid)?);
        Ok(self.handover.text(&file.source, text, file.mode.unwrap_or(0o444), uid, gid))
    }
}

/// Why Compose cannot copy a text to a place in a container, or would copy it where nobody sees it.
fn not_copied(service: &Service, target: &str) -> Option<String> {
    if service.read_only {
        return Some("the engine refuses to copy it: \"container rootfs is marked read-only\"".into());
    }
    let short = service.tmpfs.iter().map(|written| written.split(':').next().unwrap_or_default());
    let long = service.volumes.iter().filter(|mount| mount.kind == "tmpfs").map(|mount| mount.target.as_str());
    let below = |folder: &&str| {
        let folder = folder.trim_end_matches('/');
        target.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    };
    let hiding = short.chain(long).find(below)?;
    Some(format!("the tmpfs at {hiding} lies over the copy at {target}: the container would not see it"))
}

fn lower_keys(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(k, v)| (k.to_ascii_lowercase(), lower_keys(v))).collect(),
        Value::Array(list) => list.into_iter().map(lower_keys).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::compose::tests::model;
    use super::*;

    #[test]
    fn the_closure_alone_with_copies_for_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.cfg");
        std::fs::write(&file, "x").unwrap();
        let compose = model(&json!({"name": "p",
        "networks": {"default": {"name": "p_default"}, "other": {"name": "p_other"}},
        "volumes": {"data": {"name": "p_data"}, "unused": {"name": "p_unused"}},
        "configs": {"cfg": {"name": "p_cfg", "file": file}, "inline": {"name": "p_i", "content": "a$$b"}},
        "services": {
            "fn": {"image": "me/f", "command": null, "build": {"context": "."}, "environment": {"A": "1$$2", "B": null},
                   "depends_on": {"db": {"condition": "service_started", "required": true}, "gone": {"condition": "service_started", "required": false}},
                   "networks": {"default": null}, "profiles": ["x"],
                   "configs": [{"source": "cfg", "target": "/etc/app.cfg"}, {"source": "inline", "mode": 288}],
                   "volumes": [{"type": "bind", "source": file, "target": "/a"}, {"type": "volume", "source": "data", "target": "/d"},
                               {"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]},
            "db": {"image": "me/db", "networks": {"default": null}},
            "neighbour": {"image": "me/n"},
        }}));
        let guest = guest_file(&compose, &["db", "fn"]).unwrap();
        let text = text(&guest.project);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["services"].as_object().unwrap().keys().collect::<Vec<_>>(), ["db", "fn"]);
        assert_eq!(read["networks"], json!({"default": {"name": "p_default"}}));
        assert_eq!(read["volumes"], json!({"data": {"name": "p_data"}}));
        let service = &read["services"]["fn"];
        assert_eq!(service["environment"], json!({"A": "1$$2", "B": null}));
        assert_eq!(service["depends_on"].as_object().unwrap().keys().collect::<Vec<_>>(), ["db"]);
        for key in ["build", "profiles", "configs", "command"] {
            assert!(service.get(key).is_none(), "{key}");
        }
        let sources: Vec<&str> =
            service["volumes"].as_array().unwrap().iter().filter_map(|v| v["source"].as_str()).collect();
        let copy = "/run/futon/files/0/app.cfg";
        assert_eq!(sources, [copy, "data", "/var/run/docker.sock", copy, "/run/futon/files/1/inline"]);
        assert!(matches!(guest.handover.origin("/run/futon/files/1/inline"),
            Some(super::super::handover::Origin::Text { text, mode: 0o440, .. }) if text == "a$b"));
        assert!(guest.remarks[0].contains("docker.sock"));
    }

    #[test]
    fn a_file_that_is_not_there_is_the_users_mistake() {
        let compose = model(
            &json!({"name": "p", "secrets": {"s": {"name": "s", "file": "/no/such/token"}, "e": {"name": "e", "external": true}},
            "services": {"a": {"image": "x", "secrets": [{"source": "s"}]}, "b": {"image": "x", "secrets": [{"source": "e"}]},
                         "c": {"image": "x", "volumes": [{"type": "bind", "source": "/no/such", "target": "/x", "bind": {"create_host_path": false}}]}}}),
        );
        for (name, words) in [("a", "/no/such/token"), ("b", "external"), ("c", "/no/such")] {
            let error = guest_file(&compose, &[name]).unwrap_err();
            assert_eq!(error.exit_code(), futon_model::ExitCode::Usage);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
