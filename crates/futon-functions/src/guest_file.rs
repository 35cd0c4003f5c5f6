//! The compose file that the guest gets: a service and what it needs, with nothing left to look up. Variables, `env_file`, `extends` and the
//! like are resolved; files of the host are copies in the guest; keys for building and for the host are removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compose_model::{FileObject, Mount, Project, Service, ServiceFile, assignment};
use futon_common::{Error, Result};
use serde_json::{Map, Value, json};

use super::Compose;
use super::canonical::{as_compose_reads, one_at_a_place};
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
    let (networks, mut volumes) = (used("networks", "networks"), used("volumes", "volumes"));
    for (key, volume) in &mut volumes {
        made.volume(key, volume)?;
    }
    for (kind, map) in [("network", &networks), ("volume", &volumes)] {
        let external = map.iter().filter(|(_, value)| value["external"] == true);
        let remark = |(key, _)| format!("{kind} {key} is external: the base image's own engine must have it already");
        made.remarks.extend(external.map(remark));
    }
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

/// The file's text: JSON is YAML; dollar signs are not variables here. Profiles of seccomp are named by their copies.
pub(super) fn text(project: &Project, handover: &Handover) -> String {
    let mut document = Value::Object(project.raw.clone());
    let services = document.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(Map::values_mut) {
        // A variable without a name stands in a list alone.
        let variables = service["environment"].as_object().filter(|set| set.contains_key(""));
        if let Some(variables) = variables {
            service["environment"] = variables.iter().map(|(name, value)| assignment(name, value.as_str())).collect();
        }
        let options = service.get_mut("security_opt").and_then(Value::as_array_mut);
        for option in options.into_iter().flatten() {
            let profile = option.as_str().and_then(|option| seccomp_profile(project, option));
            if let Some(copy) = profile.and_then(|path| handover.copy_of(&path)) {
                *option = format!("seccomp={copy}").into();
            }
        }
    }
    let document = compose_model::escape(document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// The file of an option of `security_opt` that is a profile of seccomp: Compose reads it on its machine.
fn seccomp_profile(project: &Project, option: &str) -> Option<PathBuf> {
    let (name, file) = option.split_once('=').or_else(|| option.split_once(':'))?;
    (name == "seccomp" && !matches!(file, "" | "unconfined")).then(|| folder_of(project).join(file))
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
        as_compose_reads(&mut keys, service);
        self.remarks.extend(left_out_of_mounts(name, service));
        if service.build.is_some() && service.pull_policy.as_deref() == Some("build") {
            self.remarks.push(format!(
                "service {name}: Docker Compose would build its image anew; futon runs the one that is stored"
            ));
        }
        let project = &self.compose.project;
        for profile in service.security_opt.iter().filter_map(|option| seccomp_profile(project, option)) {
            self.handover.path(&profile).map_err(|why| self.compose.at(name, "security_opt", &why))?;
        }
        let folder = folder_of(project);
        if let Some(Value::Array(mounts)) = keys.get_mut("volumes") {
            for (value, mount) in mounts.iter_mut().zip(&service.volumes).filter(|(_, mount)| mount.kind == "bind") {
                let make = mount.bind.as_ref().is_none_or(|bind| bind.create_host_path);
                match self.handover.bind(Path::new(&mount.source), &folder, make) {
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
        let files = self.files(name, service)?;
        let mounts =
            keys.remove("volumes").and_then(|mounts| if let Value::Array(list) = mounts { Some(list) } else { None });
        let mounts = one_at_a_place(mounts.unwrap_or_default(), files);
        if !mounts.is_empty() {
            keys.insert("volumes".into(), mounts.into());
        }
        Ok(keys)
    }

    /// The configs and secrets of a service as mounts, in Compose's order: the first at a place is the one.
    fn files(&mut self, name: &str, service: &Service) -> Result<Vec<Value>> {
        let project = &self.compose.project;
        let mut files = Vec::new();
        for (key, list, objects, base) in [
            ("secrets", &service.secrets, &project.secrets, "/run/secrets/"),
            ("configs", &service.configs, &project.configs, "/"),
        ] {
            for file in list {
                let object = objects.get(&file.source).cloned().unwrap_or_default();
                if key == "configs" && self.is_empty(&object) {
                    // Compose makes no file of it.
                    continue;
                }
                if object.file.is_some() && (file.uid.is_some() || file.gid.is_some() || file.mode.is_some()) {
                    self.remarks.push(format!(
                        "service {name}: `uid`, `gid` and `mode` of {} are left out, as Docker Compose does for a `file:`",
                        file.source
                    ));
                }
                for swarms in ["driver", "template_driver"] {
                    if object.other.get(swarms).is_some_and(|value| !value.is_null() && *value != "") {
                        let why = format!("{}: Docker Compose does not support {key}.*.{swarms}", file.source);
                        return Err(self.compose.at(name, key, &why));
                    }
                }
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
        Ok(files)
    }

    /// A volume of the file. One that is a bind of the host's by its options gets a copy, as a bind does.
    fn volume(&mut self, key: &str, volume: &mut Value) -> Result<()> {
        let options = &volume["driver_opts"];
        let binds = options["o"].as_str().is_some_and(|o| o.split(',').any(|word| matches!(word, "bind" | "rbind")));
        let Some(device) = options["device"].as_str().filter(|device| binds && device.starts_with('/')) else {
            return Ok(());
        };
        let project = &self.compose.project;
        match self.handover.bind(Path::new(device), folder_of(project).as_path(), false) {
            Ok(Bound::Copy(path)) => volume["driver_opts"]["device"] = path.into(),
            Ok(Bound::Guests) => {
                self.remarks.push(format!("volume {key}: {device} is the guest's own, not the host's"));
            }
            Err(why) => {
                return Err(Error::usage(format!("{}: volume {key}: {why}", project.file.display()))
                    .hint("futon copies files and small folders to the guest"));
            }
        }
        Ok(())
    }

    /// Whether a config or secret is made from a text, and that is empty.
    fn is_empty(&self, object: &FileObject) -> bool {
        let variable = object.environment.as_ref().and_then(|name| self.variables.get(name)).and_then(Option::as_deref);
        object.file.is_none() && !object.external && object.content.as_deref().or(variable) == Some("")
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

/// Options of a service's mounts that belong to another kind of mount: Compose warns of them. Of a short form the engine hears all, and judges
/// it.
fn left_out_of_mounts(name: &str, service: &Service) -> Vec<String> {
    let long = |mount: &&Mount| !mount.bind.as_ref().is_some_and(|bind| bind.create_host_path);
    let mut remarks = Vec::new();
    for mount in service.volumes.iter().filter(long) {
        let options =
            [("bind", mount.bind.is_some()), ("volume", mount.volume.is_some()), ("tmpfs", mount.tmpfs.is_some())];
        for (kind, _) in options.iter().filter(|(kind, given)| *given && *kind != mount.kind) {
            let text = format!("mount of type `{}` should not define `{kind}` option", mount.kind);
            remarks.push(format!("service {name}: {}: {text}: Docker Compose leaves it out", mount.target));
        }
    }
    remarks
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

/// The folder of the compose file.
fn folder_of(project: &Project) -> PathBuf {
    let file = std::path::absolute(&project.file).unwrap_or_default();
    file.parent().unwrap_or_else(|| Path::new("/")).to_owned()
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
        let text = text(&guest.project, &guest.handover);
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

    /// What Compose hands to its engine, from one service's keys: the guest's file, its copies, the remarks.
    fn made(service: &Value, top: &Value) -> (Value, GuestFile) {
        let mut document = json!({"name": "p", "services": {"fn": service}});
        document.as_object_mut().unwrap().extend(top.as_object().unwrap().clone());
        let guest = guest_file(&model(&document), &["fn"]).unwrap();
        let text: Value = serde_json::from_str(&text(&guest.project, &guest.handover)).unwrap();
        (text, guest)
    }

    #[test]
    fn what_compose_prints_and_does_not_read_is_written_as_it_reads_it() {
        let (file, _) = made(
            &json!({"image": "me/f", "ulimits": {"core": {}, "nofile": {"soft": 10, "hard": 20}, "nproc": 5}, "memswap_limit": "-1",
                    "shm_size": "1024", "environment": {"": "x", "A": "1"}}),
            &json!({}),
        );
        let service = &file["services"]["fn"];
        assert_eq!(
            service["ulimits"],
            json!({"core": {"soft": 0, "hard": 0}, "nofile": {"soft": 10, "hard": 20}, "nproc": {"soft": 5, "hard": 5}})
        );
        assert_eq!((&service["memswap_limit"], &service["shm_size"]), (&json!(-1), &json!("1024")));
        assert_eq!(service["environment"], json!(["=x", "A=1"]));
    }

    #[test]
    fn files_that_only_the_host_has_are_handed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("p.json"), "{}").unwrap();
        std::fs::create_dir(path("data")).unwrap();
        let (file, guest) = made(
            &json!({"image": "me/f", "security_opt": ["no-new-privileges:true", format!("seccomp={}", path("p.json")), "seccomp:unconfined"],
                    "volumes": [{"type": "volume", "source": "d", "target": "/d"}, {"type": "volume", "source": "e", "target": "/e"},
                                {"type": "tmpfs", "target": "/t", "volume": {"nocopy": true}}]}),
            &json!({"volumes": {"d": {"name": "p_d", "driver_opts": {"type": "none", "o": "bind,ro", "device": path("data")}},
                                "e": {"name": "e", "external": true}}}),
        );
        let options = &file["services"]["fn"]["security_opt"];
        assert_eq!(
            *options,
            json!(["no-new-privileges:true", "seccomp=/run/futon/files/0/p.json", "seccomp:unconfined"])
        );
        assert_eq!(file["volumes"]["d"]["driver_opts"]["device"], "/run/futon/files/1/data");
        assert_eq!(
            guest.remarks,
            [
                "service fn: /t: mount of type `tmpfs` should not define `volume` option: Docker Compose leaves it out",
                "volume e is external: the base image's own engine must have it already"
            ]
        );
        let missing =
            model(&json!({"name": "p", "services": {"fn": {"image": "me/f", "security_opt": ["seccomp=/no/p.json"]}}}));
        assert!(guest_file(&missing, &["fn"]).unwrap_err().to_string().contains("/no/p.json"));
    }

    #[test]
    fn one_mount_at_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["cfg", "tok"] {
            std::fs::write(path(name), name).unwrap();
        }
        let (file, guest) = made(
            &json!({"image": "me/f", "configs": [{"source": "c", "target": "/etc/x"}, {"source": "none", "target": "/n"}],
                    "secrets": [{"source": "s", "target": "/etc/./x", "mode": 256}],
                    "volumes": [{"type": "volume", "source": "a", "target": "/v"}, {"type": "volume", "source": "b", "target": "/w/../v/"}]}),
            &json!({"configs": {"c": {"name": "c", "file": path("cfg")}, "none": {"name": "none", "content": ""}},
                    "secrets": {"s": {"name": "s", "file": path("tok")}}, "volumes": {"a": {"name": "p_a"}, "b": {"name": "p_b"}}}),
        );
        let mounts = file["services"]["fn"]["volumes"].as_array().unwrap();
        let sources: Vec<&str> = mounts.iter().map(|mount| mount["source"].as_str().unwrap()).collect();
        assert_eq!(sources, ["b", "/run/futon/files/0/tok"]);
        assert!(guest.remarks[0].contains("`uid`, `gid` and `mode` of s"), "{:?}", guest.remarks);
        for driver in [
            json!({"name": "c", "file": path("cfg"), "template_driver": "golang"}),
            json!({"name": "c", "file": path("cfg"), "driver": "x"}),
        ] {
            let compose = model(
                &json!({"name": "p", "configs": {"c": driver}, "services": {"fn": {"image": "me/f", "configs": [{"source": "c"}]}}}),
            );
            let why = guest_file(&compose, &["fn"]).unwrap_err().to_string();
            assert!(why.contains("Docker Compose does not support configs.*."), "{why}");
        }
    }
}
