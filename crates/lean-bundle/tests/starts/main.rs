//! How containers start: what a Docker Engine 26.1.5 hands to its runtime for a service, and what futon's bundle has for the same one.
//!
//! `engine.json` was recorded in the docker base's guest (`record.sh` says how): the whole settings of a plain service, and
//! for each other one what differs from that, or the engine's words where it refuses it. The bundle's settings are made from the same
//! compose file and compared field by field. Differences that are meant stand in `expected`, each with its reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod image;
mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compose_model::Project;
use futon_functions::Handover;
use futon_model::LeanBundle;
use image_store::ImageStore;
use lean_bundle::{Bundle, BundleContainer, lean_networks, lean_settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::{Flat, differences, flat};

/// What was recorded.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Recorded {
    /// All settings of the plain service.
    plain: Flat,
    /// What is different in another service: `null` for what it lacks.
    services: BTreeMap<String, Flat>,
    /// The engine's words on a service that it does not have.
    refused: BTreeMap<String, String>,
}

/// What a bundle has for a service.
enum Ours {
    Settings(Flat),
    Refused(String),
    /// Refused by name before a machine starts: key.
    Key(String),
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/starts").join(name)
}

/// The services of the file, as Compose prints it.
fn project() -> Project {
    Project::from_json(&std::fs::read(data("services.json")).unwrap()).unwrap()
}

/// A bundle of one service with all that it depends on, read back.
fn ours(project: &Project, store: &Arc<ImageStore>, name: &str) -> Ours {
    let mut containers = Vec::new();
    let service = &project.services[name];
    let needed = service.depends_on.keys().map(String::as_str);
    for name in needed.chain([name]) {
        let settings = match lean_settings(project, name, &Handover::default()) {
            Ok(settings) => settings,
            Err(refused) => return Ours::Key(refused.key),
        };
        containers.push(BundleContainer {
            service: name.to_owned(),
            name: project.services[name].container(&project.name, name),
            image: project.services[name].image.as_ref().unwrap().parse().unwrap(),
            settings,
            checked: false,
        });
    }
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/starts/seccomp.json");
    let networks = lean_networks(project).unwrap();
    let function = containers.len().saturating_sub(1);
    let store = Arc::clone(store);
    let bundle = Bundle { containers, function, networks, store, profile, function_cpus: None, processors: None };
    let mut archive = Vec::new();
    bundle.write(&mut archive).unwrap();
    let read = |wanted: &str| -> Option<Value> {
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let entry = entries.find(|entry| entry.path_bytes().as_ref() == wanted.as_bytes())?;
        Some(serde_json::from_reader(entry).unwrap())
    };
    let about: LeanBundle = serde_json::from_value(read(LeanBundle::FILE).unwrap()).unwrap();
    let container = about.containers.last().unwrap();
    match &container.refused {
        Some(why) => Ours::Refused(why.clone()),
        None => Ours::Settings(flat(&read(&format!("{}/config.json", container.name)).unwrap())),
    }
}

/// Differences that are meant, with the reason; the value is what the bundle has, `null` for nothing.
fn expected(service: &str, path: &str, engine: &Value, ours: &Value) -> Option<&'static str> {
    Some(match path {
        "/linux/resources/memory/swap" => "there is no swap in the lean guest",
        "/linux/resources/blockIO/weight" => "`blkio_config` has no effect in the lean guest, which is a remark",
        "/process/terminal" | "/process/env/TERM" if service == "tty" => {
            "`tty` has no effect in the lean guest, which is a remark"
        }
        "/annotations" => "annotations are for people",
        "/process/rlimits/RLIMIT_NOFILE" | "/process/rlimits/RLIMIT_NPROC" | "/process/rlimits/RLIMIT_CORE"
            if engine.is_null() =>
        {
            "an engine's containers inherit containerd's, which are the same numbers"
        }
        _ if path.starts_with("/mounts/") && service == "ipcshare" => {
            "memory to be shared with other containers lies elsewhere, which nobody can tell who does not share it"
        }
        "/mounts//c1" if engine.is_null() && !ours.is_null() => {
            "Compose copies such a file into the container; in a bundle it is mounted"
        }
        _ => return None,
    })
}

/// Services that an engine has and the lean guest refuses by name.
const REFUSED_BY_NAME: [(&str, &str); 4] =
    [("dev", "device_cgroup_rules"), ("init", "init"), ("priv", "privileged"), ("ipchost", "cgroup")];

#[test]
fn containers_start_as_the_engines_do() {
    let recorded: Recorded = serde_json::from_slice(&std::fs::read(data("engine.json")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = image::store(folder.path());
    let project = project();
    let Ours::Settings(plain) = ours(&project, &store, "plain") else { panic!("the plain service is refused") };
    let mut wrong = Vec::new();
    let mut compare = |service: &str, engine: &Flat, ours: &Flat| {
        for (path, (theirs, mine)) in differences(engine, ours) {
            if expected(service, &path, &theirs, &mine).is_none() {
                wrong.push(format!("{service}: {path}: the engine has {theirs}, the bundle {mine}"));
            }
        }
    };
    compare("plain", &recorded.plain, &plain);
    let mut compared = 1;
    for (name, changes) in &recorded.services {
        let mut engine = recorded.plain.clone();
        for (path, value) in changes {
            match value {
                Value::Null => drop(engine.remove(path)),
                value => drop(engine.insert(path.clone(), value.clone())),
            }
        }
        compared += 1;
        match ours(&project, &store, name) {
            Ours::Settings(mine) => compare(name, &engine, &mine),
            Ours::Key(key) if REFUSED_BY_NAME.contains(&(name.as_str(), key.as_str())) => {}
            Ours::Key(key) => compare(name, &engine, &Flat::from([("refused key".to_owned(), key.into())])),
            Ours::Refused(why) => compare(name, &engine, &Flat::from([("refused".to_owned(), why.into())])),
        }
    }
    for (name, words) in &recorded.refused {
        compared += 1;
        match ours(&project, &store, name) {
            Ours::Refused(why) if why == *words => {}
            // Which processors there are the host does not know; the runtime refuses it in the same step.
            Ours::Settings(_) if name == "cpusetbad" => {}
            Ours::Refused(why) => wrong.push(format!("{name}: the engine says {words:?}, the bundle {why:?}")),
            _ => wrong.push(format!("{name}: the engine says {words:?}, the bundle has it")),
        }
    }
    println!("{compared} services compared");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 60, "{compared}");
}

/// Makes `engine.json` of what `record.sh` brought from the guest.
#[test]
#[ignore = "a part of record.sh"]
fn record() {
    let folder = PathBuf::from(std::env::var_os("FUTON_STARTS").expect("FUTON_STARTS"));
    let read = |name: &str| -> Option<Flat> {
        Some(flat(&serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).ok()?).unwrap()))
    };
    let plain = read("plain").unwrap();
    let mut recorded = Recorded { plain: plain.clone(), ..Recorded::default() };
    for name in project().services.keys().filter(|name| *name != "plain") {
        match (read(name), std::fs::read_to_string(folder.join(format!("{name}.error")))) {
            (Some(made), _) => {
                let changes = differences(&plain, &made).into_iter().map(|(path, (_, theirs))| (path, theirs));
                recorded.services.insert(name.clone(), changes.collect());
            }
            (None, Ok(words)) => drop(recorded.refused.insert(name.clone(), words.trim().to_owned())),
            (None, Err(error)) => panic!("{name}: neither settings nor words: {error}"),
        }
    }
    let mut text = serde_json::to_string_pretty(&recorded).unwrap();
    text.push('\n');
    std::fs::write(data("engine.json"), text).unwrap();
}

/// Writes the image's archive for the guest.
#[test]
#[ignore = "a part of record.sh"]
fn write_image() {
    let folder = PathBuf::from(std::env::var_os("FUTON_STARTS").expect("FUTON_STARTS"));
    std::fs::write(folder.join("image.tar"), image::archive()).unwrap();
}
