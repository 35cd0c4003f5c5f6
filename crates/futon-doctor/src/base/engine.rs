//! Whether there is an engine that can pull from the exchange.

use serde_json::Value;

use super::tree::Tree;
use crate::{Finding, missing, note, ok};

/// The exchange, as a registry.
const EXCHANGE: &str = "10.0.2.2:3003";

pub(super) fn findings(tree: &Tree, gem5: bool) -> Vec<Finding> {
    let mut findings = vec![engine(tree), compose(tree)];
    // On gem5 the engine pulls from a registry in the guest, which futon brings.
    match configuration(tree) {
        Err(why) => findings.push(missing("daemon.json", why)),
        Ok(settings) if !gem5 => findings.push(mirror(&settings)),
        Ok(_) => {}
    }
    if !gem5 && !tree.text("/etc/hosts").unwrap_or_default().contains("docker.io") {
        let why = "no line for docker.io: each pull may wait for a name server that does not answer";
        findings.push(note("/etc/hosts", why));
    }
    findings
}

fn engine(tree: &Tree) -> Finding {
    const NAME: &str = "Docker Engine";
    let Some(path) = tree.program("dockerd") else {
        return missing(NAME, "no dockerd in the image");
    };
    if tree.starts("docker.service") || tree.starts("docker.socket") {
        ok(NAME, path)
    } else {
        missing(NAME, format!("{path}, and nothing starts it; run `systemctl enable docker` in the image"))
    }
}

fn compose(tree: &Tree) -> Finding {
    const NAME: &str = "Compose";
    const FOLDERS: [&str; 5] = [
        "/usr/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/local/lib/docker/cli-plugins",
        "/root/.docker/cli-plugins",
    ];
    let found = FOLDERS.iter().map(|folder| format!("{folder}/docker-compose")).find(|path| tree.has(path));
    match found.or_else(|| tree.program("docker-compose")) {
        Some(path) => ok(NAME, path),
        None => note(NAME, "not there; only compose files with rare keys need it"),
    }
}

/// The engine's settings; an engine with damaged ones does not start.
fn configuration(tree: &Tree) -> Result<Value, String> {
    const FILE: &str = "/etc/docker/daemon.json";
    match tree.text(FILE) {
        None => Ok(Value::Null),
        Some(text) if text.trim().is_empty() => Ok(Value::Null),
        Some(text) => {
            serde_json::from_str(&text).map_err(|e| format!("{FILE} is not JSON ({e}): the engine does not start"))
        }
    }
}

fn mirror(settings: &Value) -> Finding {
    const NAME: &str = "registry mirror";
    let lists = |key: &str| {
        let list = settings.get(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).any(|entry| {
            let address = entry.trim_start_matches("http://").trim_end_matches('/');
            address == EXCHANGE || address == "_gateway:3003"
        })
    };
    match (lists("registry-mirrors"), lists("insecure-registries")) {
        (true, true) => ok(NAME, "the engine pulls from the exchange"),
        (true, false) => note(NAME, format!("insecure-registries in daemon.json lacks {EXCHANGE}")),
        (false, _) => note(NAME, "none: images are loaded from archives, not pulled (docs/base-images.md)"),
    }
}
