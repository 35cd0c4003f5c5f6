//! `up`: brings a service up by the requests that the host has made of its compose file, as `docker compose up` would: networks and volumes
//! first, then every container is made, then each is started when what it waits for is there.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use futon_model::{ContainerRequest, EngineRequests};
use guest_net::{Context, Error, Result};
use serde_json::Value;

use super::Engine;
use crate::waits::{self, Pending, State};

/// Between two looks at containers that others wait for.
const PAUSE: Duration = Duration::from_millis(200);

/// Makes networks, volumes and containers, and starts the containers where `start` says so. The container named by `pinned` gets these
/// processors, unless it has some.
pub(super) fn up(engine: &Engine, file: &Path, start: bool, pinned: Option<(&str, &str)>) -> Result<()> {
    let shown = file.display();
    let text = fs::read(file).context(format_args!("cannot read {shown}"))?;
    let requests: EngineRequests = serde_json::from_slice(&text).context(format_args!("cannot parse {shown}"))?;
    let mut begin = Instant::now();
    let mut done = |what: &str, name: &str| {
        println!("{what} after {:.2} s: {name}", begin.elapsed().as_secs_f64());
        begin = Instant::now();
    };
    let name_of = |request: &Value| request["Name"].as_str().unwrap_or_default().to_owned();
    for network in &requests.networks {
        let name = name_of(network);
        engine.create_network(network).context(format_args!("cannot make the network {name}"))?;
        done("network made", &name);
    }
    for volume in &requests.volumes {
        let name = name_of(volume);
        engine.create_volume(volume).context(format_args!("cannot make the volume {name}"))?;
        done("volume made", &name);
    }
    let mut pending = Vec::new();
    for ContainerRequest { name, create, after, .. } in &requests.containers {
        let mut create = create.clone();
        if let Some((_, cpus)) = pinned.filter(|(pinned, _)| pinned == name) {
            pin(&mut create, cpus);
        }
        let id = engine.create_container(name, &create).context(format_args!("cannot make the container {name}"))?;
        done("container made", name);
        pending.push(Pending { name, after, what: id });
    }
    if !start {
        return Ok(());
    }
    waits::start_all(
        pending,
        PAUSE,
        |after| state_of(engine, &after.container),
        |one| {
            engine.start(&one.what).context(format_args!("cannot start the container {}", one.name))?;
            done("container started", one.name);
            Ok(())
        },
    )
}

fn state_of(engine: &Engine, container: &str) -> Result<State> {
    let Some(found) = engine.container(container)? else {
        return Err(Error::new(format!("there is no container {container} any more")));
    };
    let ended = found.state.is_over().then_some(found.state.exit_code);
    Ok(State { ended, health: found.state.health.map(|health| health.status) })
}

/// Gives a container processors, unless it has some.
fn pin(create: &mut Value, cpus: &str) {
    if create["HostConfig"]["CpusetCpus"].as_str().unwrap_or_default().is_empty() {
        create["HostConfig"]["CpusetCpus"] = cpus.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_names_processors_keeps_them() {
        let pinned = |text: &str| {
            let mut create: Value = serde_json::from_str(text).unwrap();
            pin(&mut create, "1");
            create["HostConfig"]["CpusetCpus"].as_str().unwrap().to_owned()
        };
        assert_eq!(pinned(r#"{"Image":"x"}"#), "1");
        assert_eq!(pinned(r#"{"HostConfig":{"CpusetCpus":""}}"#), "1");
        assert_eq!(pinned(r#"{"HostConfig":{"CpusetCpus":"0"}}"#), "0");
    }

    #[test]
    fn a_refusal_says_which_container_and_why() {
        let folder = std::env::temp_dir().join(format!("futon-up-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("service.json");
        fs::write(
            &file,
            r#"{"networks":[{"Name":"n","Labels":{}}],"volumes":[{"Name":"v"}],"containers":[{"name":"function","create":{"Image":"x"}}]}"#,
        )
        .unwrap();
        let (engine, server) = super::super::api::tests::engine_of(&[
            "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 29\r\n\r\n{\"message\":\"No such image: x\"}",
        ]);
        let error = up(&engine, &file, true, None).unwrap_err().to_string();
        assert!(error.contains("container function") && error.contains("No such image"), "{error}");
        let asked = server.join().unwrap();
        assert!(asked[0].starts_with("POST /networks/create"), "{asked:?}");
        assert!(asked[0].contains(r#""Name":"n""#), "{asked:?}");
        assert!(asked[1].starts_with("POST /volumes/create"), "{asked:?}");
        assert!(asked[2].starts_with("POST /containers/create?name=function"), "{asked:?}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
