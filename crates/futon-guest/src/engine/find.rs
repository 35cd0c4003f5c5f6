//! `find`: where a container answers, as far as only the engine knows: the port that it chose, or the container's own address.

use std::net::IpAddr;

use guest_net::{Error, Result};

use super::{
    Engine,
    api::{Container, PortBinding},
};
use crate::cli::Way;

/// Address and port.
pub(crate) fn find(engine: &Engine, name: &str, way: Way, port: u16) -> Result<(String, u16)> {
    let container = existing(engine, name)?;
    match way {
        Way::Published => published(&container, port).ok_or_else(|| {
            Error::new(format!(
                "the engine has not published port {port}/tcp of the container {name} ({})",
                state(&container)
            ))
        }),
        Way::Container => {
            // One that lives in another's network has that one's address.
            let owner = match container.host.network_mode.strip_prefix("container:") {
                Some(other) => existing(engine, other)?,
                None => container,
            };
            let address = address(&owner).ok_or_else(|| {
                Error::new(format!("the container {name} has no address in a network ({})", state(&owner)))
            })?;
            Ok((address.to_string(), port))
        }
    }
}

fn existing(engine: &Engine, name: &str) -> Result<Container> {
    engine.container(name)?.ok_or_else(|| Error::new(format!("there is no container {name}")))
}

fn state(container: &Container) -> String {
    let state = &container.state;
    if state.is_over() { format!("{} with status {}", state.status, state.exit_code) } else { state.status.clone() }
}

fn published(container: &Container, port: u16) -> Option<(String, u16)> {
    let bindings = container.network.ports.get(&format!("{port}/tcp"))?.as_ref()?;
    // IPv4 first, as clients do.
    let chosen = bindings.iter().find(|b| !b.host_ip.contains(':')).or_else(|| bindings.first())?;
    let PortBinding { host_ip, host_port } = chosen;
    let address = match host_ip.as_str() {
        "" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        other => other,
    };
    Some((address.to_owned(), host_port.parse().ok()?))
}

/// A container's own address.
pub(super) fn address(container: &Container) -> Option<IpAddr> {
    let mut networks = container.network.networks.values().flatten();
    networks.find_map(|network| network.ip_address.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::api::tests::engine_of;

    fn found(answers: &[&str], way: Way) -> std::result::Result<(String, u16), String> {
        let answers: Vec<&'static str> = answers
            .iter()
            .map(|body| {
                let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                &*Box::leak(text.into_boxed_str())
            })
            .collect();
        let (engine, server) = engine_of(&answers);
        let found = find(&engine, "f", way, 50051).map_err(|e| e.to_string());
        server.join().unwrap();
        found
    }

    fn container(network: &str, mode: &str, settings: &str) -> String {
        format!(
            r#"{{"Image":"i","Config":{{"Image":"x"}},"State":{{"Status":"{network}"}},"HostConfig":{{"NetworkMode":"{mode}"}},"NetworkSettings":{settings}}}"#
        )
    }

    #[test]
    fn the_port_that_the_engine_chose() {
        let ports = r#"{"Ports":{"50051/tcp":[{"HostIp":"::","HostPort":"32769"},{"HostIp":"0.0.0.0","HostPort":"32768"}],"9/udp":null}}"#;
        assert_eq!(found(&[&container("running", "n", ports)], Way::Published), Ok(("127.0.0.1".into(), 32768)));
        let exited = container("exited", "n", r#"{"Ports":{}}"#);
        assert!(found(&[&exited], Way::Published).unwrap_err().contains("exited with status 0"));
    }

    #[test]
    fn the_containers_own_address() {
        let networks = r#"{"Networks":{"a":{"IPAddress":""},"b":{"IPAddress":"172.18.0.2"}}}"#;
        let own = container("running", "p_default", networks);
        assert_eq!(found(&[&own], Way::Container), Ok(("172.18.0.2".into(), 50051)));
        let guest = container("running", "container:abc", "{}");
        assert_eq!(found(&[&guest, &own], Way::Container), Ok(("172.18.0.2".into(), 50051)));
        assert!(found(&[&container("running", "none", "{}")], Way::Container).unwrap_err().contains("no address"));
    }
}
