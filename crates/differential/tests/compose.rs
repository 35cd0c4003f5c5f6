//! Compose files: the model of this machine, and `docker compose` in the guest; containers that futon's requests make, and Compose's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../compose-model/tests/corpus/mod.rs"]
mod corpus;
mod place;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use compose_model::{LoadError, Loader, Project};
use corpus::Sample;
use futon_functions::{Compose, select};
use place::{futon, kept, resources, root};
use serde_json::{Map, Value, json};

/// How many files are generated.
const GENERATED: usize = 1000;
const SEED: u64 = 18;

/// How often a file with several faults is read until the fault is named that the guest named.
const ATTEMPTS: usize = 60;

/// Where the samples are, on both sides.
const FOLDER: &str = "futon-compose-samples";

fn loader() -> Loader {
    let loader = Loader::new(resources().join("docker-compose"));
    corpus::VARIABLES.iter().fold(loader, |loader, (name, value)| loader.variable(*name, *value))
}

/// The services as the model has them, rendered from its types.
fn rendered(project: &Project) -> Value {
    let service = |s: &compose_model::Service| {
        json!({
            "image": s.image, "command": s.command, "entrypoint": s.entrypoint, "environment": s.environment,
            "ports": s.ports.iter().map(|p| json!([p.host_ip, p.published, p.target, p.protocol.word()])).collect::<Vec<_>>(),
            "depends_on": s.depends_on.iter().map(|(on, how)| json!([on, how.condition.word(), how.required])).collect::<Vec<_>>(),
            "container_name": s.container_name, "privileged": s.privileged, "user": s.user,
        })
    };
    project.services.iter().map(|(name, s)| (name.clone(), service(s))).collect::<Map<_, _>>().into()
}

/// The same of a document that Compose printed, without the model.
fn printed(document: &Value) -> Value {
    let list = |value: &Value, of: &dyn Fn(&Value) -> Value| {
        value.as_array().into_iter().flatten().map(of).collect::<Vec<_>>()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let service = |s: &Value| {
        let depends = s["depends_on"].as_object().into_iter().flatten();
        json!({
            "image": s["image"], "command": s["command"], "entrypoint": s["entrypoint"],
            "environment": if s["environment"].is_null() { json!({}) } else { s["environment"].clone() },
            "ports": list(&s["ports"], &|p| json!([text(&p["host_ip"]), text(&p["published"]), p["target"], p["protocol"]])),
            "depends_on": depends.map(|(on, how)| json!([on, how["condition"], how["required"]])).collect::<Vec<_>>(),
            "container_name": s["container_name"], "privileged": s["privileged"] == true, "user": s["user"],
        })
    };
    let services = document["services"].as_object().into_iter().flatten();
    services.map(|(name, s)| (name.clone(), service(s))).collect::<Map<_, _>>().into()
}

fn without(text: &str, folder: &str) -> String {
    text.replace(folder, "@")
}

/// A script for the guest: `all.tar` holds the samples, `out.tar` gets an answer for each.
const SCRIPT: &str = r#"#!/bin/sh
set -u
here=$PWD
futon-guest get @FILES@ || exit
export MY_TAG=from-my-shell MY_PORT=50123
mkdir -p /tmp/@FOLDER@ /tmp/answers && cd /tmp/@FOLDER@
tar -xf $here/all.tar
C=/usr/libexec/docker/cli-plugins/docker-compose
ask() {
    for d in $1; do
        cd /tmp/@FOLDER@/$d && $C -f compose.yaml --profile '*' config --format json >/tmp/answers/$d.json 2>/tmp/answers/$d.err
        echo $? >/tmp/answers/$d.rc
        # What is active must hold without the rest.
        grep -q profiles compose.yaml || continue
        $C -f compose.yaml config --services >/tmp/answers/$d.active 2>/tmp/answers/$d.active-err
        echo $? >/tmp/answers/$d.active-rc
    done
}
half=$(($(ls | wc -l) / 2 + 1))
ask "$(ls | head -n $half)" & ask "$(ls | tail -n +$((half + 1)))" & wait
@MORE@
cd /tmp/answers && tar -cf /tmp/answers.tar . && futon-guest put /tmp/answers.tar
"#;

/// Runs a script in a guest with files, and unpacks what it answers.
fn guest(what: &str, folder: &Path, samples: &Path, more: &str, files: &[&Path]) -> PathBuf {
    let kept = kept(&format!("compose-{what}.tar"));
    if let Some(file) = kept.as_ref().filter(|file| file.is_file()) {
        return unpacked(file, folder);
    }
    let mut all = tar::Builder::new(File::create(folder.join("all.tar")).unwrap());
    all.append_dir_all(".", samples).unwrap();
    all.finish().unwrap();
    let script = SCRIPT.replace("@FOLDER@", FOLDER).replace("@MORE@", more);
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()?.to_str()).chain(["all.tar"]).collect();
    let script = script.replace("@FILES@", &names.join(" "));
    fs::write(folder.join("ask.sh"), script).unwrap();
    let mut command = Command::new(futon());
    command.arg("exec").arg(folder.join("ask.sh")).arg("--file").arg(folder.join("all.tar")).current_dir(root());
    files.iter().for_each(|file| _ = command.arg("--file").arg(file));
    command.arg("--out").arg(folder.join("out")).args(["--limit", "run=60m", "--vcpus", "2"]).stdin(Stdio::null());
    let output = command.env("RESOURCES", resources()).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let archive = find(&folder.join("out"), "answers.tar").expect("the guest's answers");
    kept.iter().for_each(|file| _ = fs::copy(&archive, file).unwrap());
    unpacked(&archive, folder)
}

fn unpacked(archive: &Path, folder: &Path) -> PathBuf {
    let answers = folder.join("answers");
    tar::Archive::new(File::open(archive).unwrap()).unpack(&answers).unwrap();
    answers
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { (path.file_name()? == name).then_some(path) }
    })
}

/// Words alone: the model says in one line what Compose prints in several.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Compares what the model says of each sample with the guest's answers. Returns how many were read and how many refused.
fn compare(samples: &[Sample], here: &Path, answers: &Path) -> (usize, usize) {
    let (mut read, mut refused, mut wrong) = (0, 0, Vec::new());
    for Sample { name, .. } in samples {
        let folder = here.join(name);
        let there = format!("/tmp/{FOLDER}/{name}");
        let answer = |end: &str| fs::read_to_string(answers.join(format!("{name}.{end}"))).unwrap_or_default();
        let good = answer("rc").trim() == "0";
        let active_refused = !matches!(answer("active-rc").trim(), "" | "0");
        match loader().load(&folder.join("compose.yaml")) {
            Ok(project) if good && !active_refused => {
                read += 1;
                let theirs: Value =
                    compose_model::unescape(serde_json::from_str(&without(&answer("json"), &there)).unwrap());
                let raw = without(&Value::Object(project.raw.clone()).to_string(), &folder.display().to_string());
                if rendered(&project) != printed(&theirs) {
                    wrong.push(format!("{name}: {:#} but {:#}", rendered(&project), printed(&theirs)));
                } else if serde_json::from_str::<Value>(&raw).unwrap() != theirs {
                    wrong.push(format!("{name}: {raw} but {theirs}"));
                }
            }
            Err(LoadError::Refused { words, .. }) if !good || active_refused => {
                refused += 1;
                let theirs = one_line(&without(&format!("{}{}", answer("err"), answer("active-err")), &there));
                let as_theirs = |words: &str| {
                    let ours = one_line(&without(words, &folder.display().to_string()));
                    let ours = ours.strip_prefix("Docker Compose crashed: ").unwrap_or(&ours);
                    ours.split("; ").all(|part| theirs.contains(part.trim()))
                };
                // Of several faults Compose names any one: the order is that of Go's maps, another one each time.
                let again = || match loader().load(&folder.join("compose.yaml")) {
                    Err(LoadError::Refused { words, .. }) => as_theirs(&words),
                    _ => false,
                };
                if !as_theirs(&words) && !(0..ATTEMPTS).any(|_| again()) {
                    wrong.push(format!("{name}: {words:?} but {theirs:?}"));
                }
            }
            // A service of a profile that is not active may be wrong: the model has the others, Compose with all profiles refuses.
            Ok(_) if answer("err").contains("invalid compose project") && !good => refused += 1,
            Ok(_) => wrong.push(format!("{name}: read here, refused there: {}", answer("err"))),
            Err(e) => wrong.push(format!("{name}: refused here, read there: {e}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
    (read, refused)
}

/// Keys of `docker inspect` that are a container's own.
const OWN: [&str; 15] = [
    "/Id",
    "/Created",
    "/ResolvConfPath",
    "/HostnamePath",
    "/HostsPath",
    "/LogPath",
    "/Config/Hostname",
    "/State/StartedAt",
    "/GraphDriver",
    "/NetworkSettings/SandboxID",
    "/NetworkSettings/SandboxKey",
    "/NetworkSettings/Networks",
    "/Config/Labels/com.docker.compose.config-hash",
    "/Config/Labels/com.docker.compose.image",
    "/Config/Labels/com.docker.compose.version",
];

/// Lists that Compose makes from Go's maps: their order is another one each time.
const UNORDERED: [&str; 6] = [
    "/Config/Env",
    "/HostConfig/Mounts",
    "/HostConfig/Ulimits",
    "/Mounts",
    "/HostConfig/Binds",
    "/HostConfig/ExtraHosts",
];

/// One container of `docker inspect`, without what is its own or in no order.
fn comparable(mut container: Value) -> Value {
    let networks = container["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let aliases: BTreeMap<String, Value> = networks.into_iter().map(|(name, n)| (name, n["Aliases"].clone())).collect();
    for pointer in OWN {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if let Some(Value::Object(map)) = container.pointer_mut(parent) {
            map.remove(name);
        }
    }
    container["aliases"] = json!(aliases);
    for pointer in UNORDERED {
        if let Some(Value::Array(list)) = container.pointer_mut(pointer) {
            // An anonymous volume has a name of its own.
            for mount in list.iter_mut().filter(|m| m["Name"].as_str().is_some_and(|n| n.len() == 64)) {
                (mount["Name"], mount["Source"]) = (Value::Null, Value::Null);
            }
            list.sort_by_key(Value::to_string);
        }
    }
    container
}

/// What the guest does for each sample that futon has requests for.
const INSPECT: &str = r#"
# The requests were made without these.
unset MY_TAG MY_PORT
chmod 755 $here/guest-tool
docker pull -q vhiveease/fibonacci-go:latest >/dev/null
mkdir -p /tmp/made && tar -xf $here/made.tar -C /tmp/made
for d in $(ls /tmp/made); do
    cd /tmp/made/$d && cp functions.yaml /run/futon/functions.yaml
    rm -rf /run/futon/files; [ ! -d files ] || cp -a files /run/futon/files
    $here/guest-tool up service.json --no-start >/tmp/answers/$d.our-words 2>&1
    docker inspect $(docker ps -aq) >/tmp/answers/$d.ours
    docker rm -f $(docker ps -aq) >/dev/null; docker network prune -f >/dev/null
    $C -f /run/futon/functions.yaml up --no-start --pull never fn >/tmp/answers/$d.their-words 2>&1
    docker inspect $(docker ps -aq) >/tmp/answers/$d.theirs
    docker rm -f $(docker ps -aq) >/dev/null; docker network prune -f >/dev/null
done
"#;

/// Compose 2.26 writes `memswap_limit: -1` as a text that it refuses to read: the container of futon's request is the one that was asked for.
const UNREADABLE: &str = "memswap_limit': invalid size: '-1'";

/// What was compared of some samples.
#[derive(Default)]
struct Compared {
    read: usize,
    refused: usize,
    containers: usize,
    both_refused: usize,
    unreadable: Vec<String>,
    wrong: Vec<String>,
}

/// Puts samples to one guest: their files to its Compose, the containers that futon's requests make to `docker inspect`.
fn ask_about(samples: &[Sample], what: &str, folder: &Path) -> Compared {
    let (here, made) = (folder.join("here"), folder.join("made"));
    corpus::write(samples, &here);
    fs::create_dir_all(&made).unwrap();
    // Those of one key with an image that is there: containers are compared, too.
    let mut asked = Vec::new();
    for sample in samples.iter().filter(|sample| sample.name.starts_with('k')) {
        let file = here.join(&sample.name).join("compose.yaml");
        let Ok(compose) = Compose::read(&file, &resources().join("docker-compose")) else { continue };
        let Ok(selection) = select(&compose, "fn") else { continue };
        let Ok(requests) = &selection.engine else { continue };
        let place = made.join(&sample.name);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("service.json"), serde_json::to_vec(requests).unwrap()).unwrap();
        fs::write(place.join("functions.yaml"), &selection.compose).unwrap();
        let mut files = Vec::new();
        selection.handover.write(&mut files).unwrap();
        if !selection.handover.is_empty() {
            tar::Archive::new(&files[..]).unpack(place.join("files")).unwrap();
        }
        asked.push(sample.name.clone());
    }
    let mut archive = tar::Builder::new(File::create(folder.join("made.tar")).unwrap());
    archive.append_dir_all(".", &made).unwrap();
    archive.finish().unwrap();
    // The tool of this very build, whatever the saved machine has.
    fs::copy(futon().with_file_name("futon-guest"), folder.join("guest-tool")).unwrap();
    let files = ["made.tar", "guest-tool"].map(|name| folder.join(name));
    let answers = guest(what, folder, &here, INSPECT, &[&files[0], &files[1]]);
    let (read, refused) = compare(samples, &here, &answers);
    let mut compared = Compared { read, refused, containers: asked.len(), ..Compared::default() };
    for name in &asked {
        let read = |end: &str| -> Vec<Value> {
            let text = fs::read_to_string(answers.join(format!("{name}.{end}"))).unwrap_or_default();
            let list: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
            list.into_iter().map(comparable).collect()
        };
        let (ours, theirs) = (read("ours"), read("theirs"));
        let words = |whose: &str| fs::read_to_string(answers.join(format!("{name}.{whose}-words"))).unwrap_or_default();
        let (our_words, their_words) = (words("our"), words("their"));
        let alike = if ours.is_empty() && theirs.is_empty() {
            // Both refuse, for the engine's reason.
            compared.both_refused += 1;
            their_words.rsplit_once("from daemon: ").is_some_and(|(_, why)| our_words.contains(why.trim()))
        } else if theirs.is_empty() && their_words.contains(UNREADABLE) {
            compared.unreadable.push(name.clone());
            true
        } else {
            ours == theirs
        };
        if !alike {
            let said = format!("{our_words}{their_words}");
            let key = fs::read_to_string(here.join(name).join("compose.yaml")).unwrap();
            let key = key.lines().nth(3).unwrap_or_default().to_owned();
            let differences = differences("", &json!(ours), &json!(theirs)).join("; ");
            compared.wrong.push(format!("{name} ({key}): {differences}\n{said}"));
        }
    }
    compared
}

#[test]
#[ignore = "asks the engine in a virtual machine: make test runs it"]
fn written_compose_files_mean_what_the_guests_compose_says() {
    let begin = Instant::now();
    let folder = tempfile::Builder::new().prefix("futon-compose-").tempdir().unwrap();
    // Two guests, side by side. Each has two processors: with one, the engine would refuse what asks for the second.
    let mut halves = [Vec::new(), Vec::new()];
    for (n, sample) in corpus::written().into_iter().enumerate() {
        halves[n % 2].push(sample);
    }
    let parts: Vec<Compared> = thread::scope(|scope| {
        let ask = |n: usize| {
            let (samples, place) = (&halves[n], folder.path().join(n.to_string()));
            scope.spawn(move || ask_about(samples, &format!("written-{n}"), &place))
        };
        [ask(0), ask(1)].map(|half| half.join().expect("the half's own message is above")).into()
    });
    let sum = |of: fn(&Compared) -> usize| parts.iter().map(of).sum::<usize>();
    let wrong: Vec<&String> = parts.iter().flat_map(|part| &part.wrong).collect();
    let unreadable: Vec<&String> = parts.iter().flat_map(|part| &part.unreadable).collect();
    let (read, containers) = (sum(|part| part.read), sum(|part| part.containers));
    println!(
        "{read} files read alike, {} refused alike; {} containers of {containers} compared alike ({} refused by the engine; \
         Compose cannot read its own form of {unreadable:?}); {:.0} s",
        sum(|part| part.refused),
        containers - wrong.len(),
        sum(|part| part.both_refused),
        begin.elapsed().as_secs_f64()
    );
    let listed: Vec<&str> = wrong.iter().map(|text| text.as_str()).collect();
    assert!(wrong.is_empty(), "{} of {containers} containers differ:\n{}", wrong.len(), listed.join("\n"));
    assert!(read >= 100 && containers >= 40, "{read} read, {containers} containers");
}

fn differences(path: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let null = Value::Null;
            keys.into_iter()
                .flat_map(|k| differences(&format!("{path}/{k}"), a.get(k).unwrap_or(&null), b.get(k).unwrap_or(&null)))
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().flat_map(|(n, (a, b))| differences(&format!("{path}/{n}"), a, b)).collect()
        }
        (a, b) if a == b => Vec::new(),
        (a, b) => vec![format!("{path}: {a} but {b}")],
    }
}

#[test]
#[ignore = "takes long: make differential runs it"]
fn generated_compose_files_mean_what_the_guests_compose_says() {
    let begin = Instant::now();
    let folder = tempfile::Builder::new().prefix("futon-compose-").tempdir().unwrap();
    let samples = corpus::generated(SEED, GENERATED);
    let here = folder.path().join("here");
    corpus::write(&samples, &here);
    let answers = guest("generated", folder.path(), &here, "", &[]);
    let (read, refused) = compare(&samples, &here, &answers);
    println!("{read} files read alike, {refused} refused alike; {:.0} s", begin.elapsed().as_secs_f64());
    assert_eq!(read + refused, GENERATED);
    assert!(read > GENERATED / 4, "{read}");
}
