//! Keys of a service as Compose reads them, where it prints them otherwise, and as it hands them to its engine.

use compose_model::Service;
use serde_json::{Map, Value, json};

/// What Compose prints and does not read so.
pub(super) fn as_compose_reads(keys: &mut Map<String, Value>, service: &Service) {
    // With capitals.
    if let Some(blkio) = keys.get_mut("blkio_config") {
        *blkio = lower_keys(blkio.take());
    }
    // A limit of 0 is left out.
    if keys.contains_key("ulimits") {
        let limits =
            service.ulimits.iter().map(|(name, limit)| (name.clone(), json!({"soft": limit.soft, "hard": limit.hard})));
        keys.insert("ulimits".into(), limits.collect::<Map<_, _>>().into());
    }
    // Sizes are texts, and a text is never negative.
    for (key, size) in [
        ("mem_limit", service.mem_limit),
        ("mem_reservation", service.mem_reservation),
        ("mem_swappiness", service.mem_swappiness),
        ("memswap_limit", service.memswap_limit),
        ("shm_size", service.shm_size),
    ] {
        if let Some(size) = size.filter(|size| *size < 0) {
            keys.insert(key.into(), size.into());
        }
    }
}

/// A service's mounts, one at each place, as Compose hands them to the engine: the last volume, else the first file.
pub(super) fn one_at_a_place(volumes: Vec<Value>, files: Vec<Value>) -> Vec<Value> {
    let mut mounts: Vec<Value> = Vec::new();
    let at = |mount: &Value| clean(mount["target"].as_str().unwrap_or_default());
    for volume in volumes {
        mounts.retain(|mount| at(mount) != at(&volume));
        mounts.push(volume);
    }
    for file in files {
        if mounts.iter().all(|mount| at(mount) != at(&file)) {
            mounts.push(file);
        }
    }
    mounts
}

/// A path without what says nothing, as Go's `path.Clean` makes it of an absolute one.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
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
    use super::*;

    #[test]
    fn paths_say_the_same_in_fewer_words() {
        for (path, same) in [("/a/./b//c/..", "/a/b"), ("/..", "/"), ("/", "/"), ("/v/", "/v")] {
            assert_eq!(clean(path), same);
        }
    }
}
