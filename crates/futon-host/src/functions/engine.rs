//! A compose service as requests to the engine's API, where it keeps to the keys that functions use. What `docker compose up` would
//! ask for, without the seconds that its program takes under emulation. What is not understood here is left to `docker compose`.
//!
//! Field names: Docker Engine API 1.45, `POST /containers/create` and `POST /networks/create`; labels: Compose 2.26, as seen with
//! `docker inspect`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::compose::default_container;
use super::{Compose, values};

/// Keys at the top of a compose file that change nothing here; `x-…` beside them.
const FILE_KEYS: [&str; 3] = ["name", "services", "version"];

/// Where the guest keeps the compose file; for the labels by which `docker compose ps` finds its containers.
const FOLDER: &str = "/run/futon";

/// The requests that bring a service and all it depends on up, dependencies first, for `futon-guest up`.
///
/// # Errors
/// Names the first key that is not understood.
pub fn engine_requests(compose: &Compose, service: &str) -> Result<Value, String> {
    let file = &compose.raw;
    if let Some(key) = unknown_key(file, &FILE_KEYS) {
        return Err(format!("key {key}"));
    }
    let project = &compose.project;
    let network = format!("{project}_default");
    let mut containers = Vec::new();
    for name in compose.closure_names(service).into_iter().rev() {
        let raw = file.get("services").and_then(|s| s.get(&name)).and_then(Value::as_object);
        let raw = raw.ok_or_else(|| format!("no service {name}"))?;
        containers.push(
            container(&Names { project, network: &network, service: &name }, raw)
                .map_err(|key| format!("service {name}: {key}"))?,
        );
    }
    let mut labels = Map::new();
    labels.insert("com.docker.compose.network".into(), "default".into());
    labels.insert("com.docker.compose.project".into(), project.as_str().into());
    Ok(json!({
        "network": { "Name": network, "CheckDuplicate": true, "Labels": labels },
        "containers": containers,
    }))
}

struct Names<'a> {
    project: &'a str,
    network: &'a str,
    service: &'a str,
}

/// One container: its name and the body of the request that creates it.
fn container(names: &Names<'_>, service: &Map<String, Value>) -> Result<Value, String> {
    let mut body = Map::new();
    let mut host = Map::new();
    let mut name = default_container(names.project, names.service);
    let mut image = String::new();
    let mut depends = String::new();
    for (key, value) in service {
        if value.is_null() {
            continue;
        }
        let described = |why: String| format!("key {key}: {why}");
        match key.as_str() {
            "image" => image = text(value).map_err(described)?,
            "container_name" => name = text(value).map_err(described)?,
            "entrypoint" => _ = body.insert("Entrypoint".into(), words(value).map_err(described)?.into()),
            "command" => _ = body.insert("Cmd".into(), words(value).map_err(described)?.into()),
            "environment" => _ = body.insert("Env".into(), environment(value).map_err(described)?.into()),
            "user" => _ = body.insert("User".into(), text(value).map_err(described)?.into()),
            "working_dir" => _ = body.insert("WorkingDir".into(), text(value).map_err(described)?.into()),
            "hostname" => _ = body.insert("Hostname".into(), text(value).map_err(described)?.into()),
            "cpuset" => _ = host.insert("CpusetCpus".into(), text(value).map_err(described)?.into()),
            "mem_limit" => _ = host.insert("Memory".into(), values::bytes(value).map_err(described)?.into()),
            "read_only" => _ = host.insert("ReadonlyRootfs".into(), flag(value).map_err(described)?.into()),
            "stop_grace_period" => {
                let grace = humantime::parse_duration(&text(value).map_err(described)?);
                let seconds = grace.map_err(|e| described(e.to_string()))?.as_secs();
                body.insert("StopTimeout".into(), seconds.into());
            }
            "ports" => {
                let (exposed, bindings) = ports(value).map_err(described)?;
                body.insert("ExposedPorts".into(), exposed);
                host.insert("PortBindings".into(), bindings);
            }
            "depends_on" => depends = dependencies(value).map_err(described)?,
            "restart" if value == "no" || value == &Value::Bool(false) => {}
            // A function's own settings; where it would be built, had it not been.
            "build" => {}
            key if key.starts_with("x-") => {}
            _ => return Err(format!("key {key}")),
        }
    }
    if image.is_empty() {
        return Err("no image".into());
    }
    let labels = json!({
        "com.docker.compose.container-number": "1",
        "com.docker.compose.depends_on": depends,
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project": names.project,
        "com.docker.compose.project.config_files": format!("{FOLDER}/functions.yaml"),
        "com.docker.compose.project.working_dir": FOLDER,
        "com.docker.compose.service": names.service,
    });
    body.insert("Image".into(), image.into());
    body.insert("AttachStdout".into(), true.into());
    body.insert("AttachStderr".into(), true.into());
    body.insert("Labels".into(), labels);
    host.entry("PortBindings").or_insert_with(|| json!({}));
    host.insert("NetworkMode".into(), names.network.into());
    host.insert("RestartPolicy".into(), json!({ "Name": "no" }));
    host.insert("ExtraHosts".into(), json!([]));
    body.insert("HostConfig".into(), host.into());
    let endpoint = json!({ "Aliases": [name, names.service] });
    body.insert("NetworkingConfig".into(), json!({ "EndpointsConfig": { names.network: endpoint } }));
    Ok(json!({ "name": name, "create": body }))
}

fn unknown_key<'a>(map: &'a Value, known: &[&str]) -> Option<&'a String> {
    map.as_object()?.keys().find(|key| !known.contains(&key.as_str()) && !key.starts_with("x-"))
}

/// A scalar as Compose would write it. A variable is for Compose to look up.
fn text(value: &Value) -> Result<String, String> {
    no_variable(values::scalar(value)?)
}

fn no_variable(text: String) -> Result<String, String> {
    if text.contains('$') { Err("a variable".into()) } else { Ok(text) }
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "neither true nor false".into())
}

/// A command line: a list of words, or one text that is taken apart as a shell would.
fn words(value: &Value) -> Result<Vec<String>, String> {
    values::words(value)?.into_iter().map(no_variable).collect()
}

/// `NAME=VALUE` words in Compose's order, by name. A name without a value would come from Compose's own environment.
fn environment(value: &Value) -> Result<Vec<String>, String> {
    let mut set = BTreeMap::new();
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                set.insert(name.clone(), text(value)?);
            }
        }
        Value::Array(list) => {
            for entry in list {
                let entry = text(entry)?;
                let (name, value) = entry.split_once('=').ok_or("a name without a value")?;
                set.insert(name.to_owned(), value.to_owned());
            }
        }
        _ => return Err("neither a list nor a map".into()),
    }
    Ok(set.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

/// `ExposedPorts` and `PortBindings`.
fn ports(value: &Value) -> Result<(Value, Value), String> {
    let (mut exposed, mut bindings) = (Map::new(), Map::new());
    for entry in value.as_array().ok_or("not a list")? {
        let (port, binding) = match entry {
            Value::Object(long) => long_port(long)?,
            short => short_port(&text(short)?)?,
        };
        exposed.insert(port.clone(), json!({}));
        let list = bindings.entry(port).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(binding);
        }
    }
    Ok((exposed.into(), bindings.into()))
}

/// `50000:50051`, `127.0.0.1:50000:50051/udp`; no ranges.
fn short_port(entry: &str) -> Result<(String, Value), String> {
    let (addresses, protocol) = entry.split_once('/').unwrap_or((entry, "tcp"));
    let parts: Vec<&str> = addresses.split(':').collect();
    let (ip, published, target) = match parts[..] {
        [target] => ("", "", target),
        [published, target] => ("", published, target),
        [ip, published, target] => (ip, published, target),
        _ => return Err(format!("port {entry}")),
    };
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("port {entry}"));
    number(target)?;
    if !published.is_empty() {
        number(published)?;
    }
    Ok((format!("{target}/{protocol}"), json!({ "HostIp": ip, "HostPort": published })))
}

fn long_port(entry: &Map<String, Value>) -> Result<(String, Value), String> {
    let value = |key: &str| entry.get(key).map_or(Ok(String::new()), text);
    if let Some(key) =
        entry.keys().find(|k| !["target", "published", "protocol", "host_ip", "mode"].contains(&k.as_str()))
    {
        return Err(format!("port key {key}"));
    }
    let protocol = Some(value("protocol")?).filter(|p| !p.is_empty()).unwrap_or_else(|| "tcp".into());
    let target = value("target")?;
    Ok((format!("{target}/{protocol}"), json!({ "HostIp": value("host_ip")?, "HostPort": value("published")? })))
}

/// The label that Compose makes of `depends_on`; conditions that have to be waited for are Compose's.
fn dependencies(value: &Value) -> Result<String, String> {
    let names: Vec<String> = match value {
        Value::Array(list) => list.iter().map(text).collect::<Result<_, _>>()?,
        Value::Object(map) => {
            for (name, how) in map {
                let plain = how.as_object().is_some_and(|how| {
                    how.iter().all(|(k, v)| k == "condition" && v == "service_started" || k == "required" && v == true)
                });
                if !plain {
                    return Err(format!("the condition of {name}"));
                }
            }
            map.keys().cloned().collect()
        }
        _ => return Err("neither a list nor a map".into()),
    };
    Ok(names.iter().map(|name| format!("{name}:service_started:false")).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn requests(text: &str, service: &str) -> Result<Value, String> {
        engine_requests(&Compose::parse(Path::new("f.yaml"), text.to_owned()).unwrap(), service)
    }

    #[test]
    fn a_rich_service_with_its_dependency() {
        let requests = requests(
            "name: vswarmu\nservices:\n  db:\n    image: a/db\n    container_name: database\n    command: [x]\n  \
             rich:\n    image: a/rich:latest\n    container_name: rich\n    entrypoint: /app/server \"-addr=0.0.0.0:50051\"\n    \
             user: \"65534:65534\"\n    working_dir: /tmp\n    hostname: richhost\n    cpuset: \"1\"\n    read_only: true\n    \
             environment: [B=two words, A=1]\n    depends_on: [db]\n    ports: [\"127.0.0.1:50003:50051/tcp\"]\n    \
             stop_grace_period: 3s\n    restart: \"no\"\n    x-futon: {client: fibonacci-go}\n",
            "rich",
        )
        .unwrap();
        assert_eq!(requests["network"]["Name"], "vswarmu_default");
        assert_eq!(requests["containers"][0]["name"], "database");
        assert_eq!(requests["containers"][0]["create"]["Cmd"], json!(["x"]));
        let rich = &requests["containers"][1];
        assert_eq!(rich["name"], "rich");
        let create = &rich["create"];
        assert_eq!(create["Entrypoint"], json!(["/app/server", "-addr=0.0.0.0:50051"]));
        assert_eq!(create["Env"], json!(["A=1", "B=two words"]));
        assert_eq!(create["StopTimeout"], 3);
        assert_eq!(
            create["HostConfig"]["PortBindings"],
            json!({"50051/tcp": [{"HostIp": "127.0.0.1", "HostPort": "50003"}]})
        );
        assert_eq!(create["HostConfig"]["CpusetCpus"], "1");
        assert_eq!(create["Labels"]["com.docker.compose.depends_on"], "db:service_started:false");
        assert_eq!(
            create["NetworkingConfig"]["EndpointsConfig"]["vswarmu_default"]["Aliases"],
            json!(["rich", "rich"])
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let of = |line: &str| requests(&format!("services:\n  a:\n    image: x/a\n    {line}\n"), "a").unwrap_err();
        assert_eq!(of("volumes: [/tmp:/tmp]"), "service a: key volumes");
        assert_eq!(of("privileged: true"), "service a: key privileged");
        assert!(of("command: run $HOME").contains("variable"));
        assert!(of("environment: [HOME]").contains("without a value"));
        assert!(of("ports: [\"3000-3005:3000-3005\"]").contains("3000-3005"));
        assert!(of("restart: always").contains("restart"));
        assert!(of("depends_on: {a: {condition: service_healthy}}").contains("condition"));
        assert_eq!(requests("volumes: {a: {}}\nservices:\n  a:\n    image: x/a\n", "a").unwrap_err(), "key volumes");
    }

    #[test]
    fn ports_in_short_and_long_form() {
        assert_eq!(
            short_port("50000:50051").unwrap(),
            ("50051/tcp".into(), json!({"HostIp": "", "HostPort": "50000"}))
        );
        assert_eq!(short_port("50051/udp").unwrap(), ("50051/udp".into(), json!({"HostIp": "", "HostPort": ""})));
        let (exposed, bindings) = ports(&json!([{"target": 50051, "published": "50002"}])).unwrap();
        assert_eq!(exposed, json!({"50051/tcp": {}}));
        assert_eq!(bindings["50051/tcp"][0]["HostPort"], "50002");
    }
}
