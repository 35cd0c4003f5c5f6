//! Where a function is called: its published port, or its container's own address.

use compose_model::{Port, Protocol};
use futon_common::Result;

use super::{Compose, Service};

/// Defaults for an image that no service uses.
#[derive(Debug, Clone, Copy)]
pub struct ClientDefaults;

impl ClientDefaults {
    /// Port on which the container listens.
    pub const CONTAINER_PORT: u16 = 50051;
    /// Port on the guest.
    pub const HOST_PORT: u16 = 50000;
    /// Container name.
    pub const CONTAINER: &str = "function";
}

/// Where the client connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it gets there.
    pub way: Way,
    /// Port in the container.
    pub container_port: u16,
    /// Whether the file gives that port; else it is the image's, or the default.
    pub named: bool,
}

/// How the client reaches a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By a port that is published on an address of the guest.
    Published {
        /// Address.
        address: String,
        /// Port.
        port: u16,
    },
    /// By a port that the engine chooses when it starts the container.
    Assigned,
    /// Not published: by the container's own address.
    Container,
}

/// Finds where a function is called, and adds remarks.
///
/// # Errors
/// When nothing can reach it.
pub(super) fn target(compose: &Compose, service: &Service, remarks: &mut Vec<String>) -> Result<Target> {
    let name = &service.name;
    let tcp: Vec<&Port> = service.spec.ports.iter().filter(|port| port.protocol == Protocol::Tcp).collect();
    let wanted = service.hints.port;
    let mode = service.spec.network_mode.as_deref().unwrap_or_default();
    if mode == "none" {
        return Err(compose
            .at(name, "network_mode", "it is none, so the function cannot be called")
            .hint("give it a network"));
    }
    if service.spec.replicas() == 0 {
        return Err(compose
            .at(name, service.spec.replicas_key(), "the service has no containers, so the function cannot be called")
            .hint("give it one: `scale: 1`, `replicas: 1`"));
    }
    let chosen = match wanted {
        Some(port) => tcp.iter().find(|p| p.target == u32::from(port)),
        None => tcp.first(),
    };
    let number = |port: &Port| u16::try_from(port.target).unwrap_or(ClientDefaults::CONTAINER_PORT);
    if mode == "host" {
        // Ports are not published there: the container's port is the guest's.
        let port = wanted.or_else(|| chosen.map(|p| number(p))).unwrap_or(ClientDefaults::CONTAINER_PORT);
        let way = Way::Published { address: "127.0.0.1".into(), port };
        return Ok(Target { way, container_port: port, named: true });
    }
    let targets: std::collections::BTreeSet<u32> = tcp.iter().map(|port| port.target).collect();
    if let (Some(port), None, true) = (chosen, wanted, targets.len() > 1) {
        let list: Vec<String> = targets.iter().map(u32::to_string).collect();
        remarks.push(format!(
            "service {name} publishes several TCP ports ({}): futon calls {}; choose another with `x-futon: {{port: …}}`",
            list.join(", "),
            port.target,
        ));
    }
    let Some(port) = chosen else {
        let exposed = service.spec.expose.iter().find_map(|text| tcp_port(text));
        let container_port = wanted.or(exposed);
        return Ok(Target {
            way: Way::Container,
            container_port: container_port.unwrap_or(ClientDefaults::CONTAINER_PORT),
            named: container_port.is_some(),
        });
    };
    if compose.project.only_internal(&service.spec) {
        remarks.push(format!("the networks of service {name} are internal: the engine publishes no ports there"));
        return Ok(Target { way: Way::Container, container_port: number(port), named: true });
    }
    let way = match port.published_range() {
        Some((first, last)) if first == last => {
            Way::Published { address: address(&port.host_ip).to_owned(), port: first }
        }
        _ => Way::Assigned,
    };
    Ok(Target { way, container_port: number(port), named: true })
}

/// The address with which a client in the guest reaches a listener on `host_ip`.
pub(crate) fn address(host_ip: &str) -> &str {
    match host_ip {
        "" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        other => other,
    }
}

/// An entry of `expose`, or of an image's exposed ports: `50051`, `50051/tcp`.
#[must_use]
pub fn tcp_port(text: &str) -> Option<u16> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if protocol == "tcp" { port.parse().ok().filter(|port| *port != 0) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::compose::tests::model;
    use super::*;

    fn of(service: Value, hint: Option<u16>) -> (Result<Target>, Vec<String>) {
        let mut service = service;
        service["image"] = "me/f".into();
        let compose = model(&json!({"name": "p", "services": {"f": service}}));
        let mut service = compose.service("f").unwrap();
        service.hints.port = hint;
        let mut remarks = Vec::new();
        (target(&compose, &service, &mut remarks), remarks)
    }

    fn published(address: &str, port: u16) -> Way {
        Way::Published { address: address.into(), port }
    }

    #[test]
    fn published_ports_in_the_forms_that_compose_prints() {
        let port = |ip: &str, published: &str| json!({"target": 50051, "published": published, "host_ip": ip, "protocol": "tcp"});
        for (ip, text, way) in [
            ("", "50000", published("127.0.0.1", 50000)),
            ("0.0.0.0", "80", published("127.0.0.1", 80)),
            ("127.0.0.1", "50000", published("127.0.0.1", 50000)),
            ("10.0.2.15", "50000", published("10.0.2.15", 50000)),
            ("::1", "50000", published("::1", 50000)),
            ("", "50010-50020", Way::Assigned),
            ("", "", Way::Assigned),
            ("", "0", Way::Assigned),
        ] {
            let (target, remarks) = of(json!({"ports": [port(ip, text)]}), None);
            assert_eq!(target.unwrap(), Target { way, container_port: 50051, named: true }, "{ip} {text}");
            assert!(remarks.is_empty());
        }
    }

    #[test]
    fn udp_is_never_taken_and_several_ports_are_remarked() {
        let udp = json!({"target": 5353, "published": "5353", "protocol": "udp"});
        let metrics = json!({"target": 9090, "published": "9090", "protocol": "tcp"});
        let grpc = json!({"target": 50051, "published": "50000", "protocol": "tcp"});
        let (target, remarks) = of(json!({"ports": [udp, metrics, grpc]}), None);
        assert_eq!(target.unwrap().way, published("127.0.0.1", 9090));
        assert!(remarks[0].contains("futon calls 9090") && remarks[0].contains("x-futon"), "{remarks:?}");
        let (target, remarks) = of(json!({"ports": [udp, metrics, grpc]}), Some(50051));
        assert_eq!((target.unwrap().way, remarks.len()), (published("127.0.0.1", 50000), 0));
        let (target, _) = of(json!({"ports": [udp]}), None);
        assert_eq!(target.unwrap(), Target { way: Way::Container, container_port: 50051, named: false });
    }

    #[test]
    fn on_internal_networks_alone_nothing_is_published() {
        let on = |networks: Value| {
            let ports = json!([{"target": 50051, "published": "50000", "protocol": "tcp"}]);
            let service = json!({"image": "me/f", "ports": ports, "networks": networks});
            let given = json!({"closed": {"name": "p_closed", "internal": true}, "open": {"name": "p_open"}});
            let compose = model(&json!({"name": "p", "services": {"f": service}, "networks": given}));
            let mut remarks = Vec::new();
            let target = target(&compose, &compose.service("f").unwrap(), &mut remarks).unwrap();
            (target.way, target.container_port, remarks.len())
        };
        assert_eq!(on(json!({"closed": null})), (Way::Container, 50051, 1));
        assert_eq!(on(json!({"closed": null, "open": null})), (published("127.0.0.1", 50000), 50051, 0));
        assert_eq!(on(json!({"open": null})), (published("127.0.0.1", 50000), 50051, 0));
    }

    #[test]
    fn without_a_published_port_the_container_is_called() {
        let (target, _) = of(json!({"expose": ["53/udp", "8080"]}), None);
        assert_eq!(target.unwrap(), Target { way: Way::Container, container_port: 8080, named: true });
        let (target, _) = of(json!({"ports": [{"target": 1, "published": "2"}]}), Some(7));
        assert_eq!(target.unwrap(), Target { way: Way::Container, container_port: 7, named: true });
        let (target, _) = of(json!({"network_mode": "host"}), None);
        assert_eq!(target.unwrap().way, published("127.0.0.1", 50051));
        let (refused, _) = of(json!({"network_mode": "none"}), None);
        assert!(refused.unwrap_err().to_string().contains("network_mode"));
    }
}
