//! What Compose accepts and no engine can do: found before anything starts.

use std::net::IpAddr;

use crate::{Condition, Port, Project, Protocol, Service};

/// Why services cannot run together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// Two containers of one name.
    #[error("services {first} and {second} both have the container name {name}")]
    ContainerName {
        /// The name.
        name: String,
        /// A service.
        first: String,
        /// The other.
        second: String,
    },
    /// A name that the engine takes for no container (moby, `RestrictedNamePattern`).
    #[error(
        "service {service}: the engine allows no container name {name:?}: two characters at least, a letter or a digit, then also _ . -"
    )]
    NoContainerName {
        /// The service.
        service: String,
        /// The name.
        name: String,
    },
    /// One port of the host for two containers.
    #[error("{} the port {port}/{}", both(first, second), protocol.word())]
    PublishedPort {
        /// The port.
        port: u16,
        /// The protocol.
        protocol: Protocol,
        /// A service.
        first: String,
        /// The other, or the same.
        second: String,
    },
    /// A port that is none.
    #[error("service {service}: {text} is not a port (1 to 65535)")]
    NoPort {
        /// The service.
        service: String,
        /// What is written.
        text: String,
    },
}

fn both(first: &str, second: &str) -> String {
    if first == second {
        format!("service {first} publishes twice")
    } else {
        format!("services {first} and {second} both publish")
    }
}

impl Conflict {
    /// The service and the key where it shows.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        match self {
            Self::ContainerName { second, .. } => (second, "container_name"),
            Self::NoContainerName { service, .. } => (service, "container_name"),
            Self::PublishedPort { second, .. } => (second, "ports"),
            Self::NoPort { service, .. } => (service, "ports"),
        }
    }
}

/// Whether the engine takes a name for a container's. It looks at it without a leading slash.
fn is_container_name(name: &str) -> bool {
    let name = name.strip_prefix('/').unwrap_or(name);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits)
}

impl Project {
    /// The first reason why the containers of `services` cannot run side by side.
    #[must_use]
    pub fn conflict(&self, services: &[&str]) -> Option<Conflict> {
        let mut names: Vec<(String, &str)> = Vec::new();
        let mut taken: Vec<(u16, &Port, &str)> = Vec::new();
        for &name in services {
            let Some(service) = self.services.get(name) else { continue };
            let container = service.container(&self.name, name);
            if !is_container_name(&container) {
                return Some(Conflict::NoContainerName { service: name.into(), name: container });
            }
            if let Some((_, first)) = names.iter().find(|(other, _)| *other == container) {
                return Some(Conflict::ContainerName { name: container, first: (*first).into(), second: name.into() });
            }
            names.push((container, name));
            let publishes = self.publishes(name, service, services);
            for port in &service.ports {
                if let Some(text) = not_a_port(port) {
                    return Some(Conflict::NoPort { service: name.into(), text });
                }
                if !publishes {
                    continue;
                }
                // Of a range the engine takes one that is free.
                let Some((published, last)) = port.published_range() else { continue };
                if published != last {
                    continue;
                }
                let same = |(number, other, _): &&(u16, &Port, &str)| {
                    *number == published && other.protocol == port.protocol && overlap(&other.host_ip, &port.host_ip)
                };
                if let Some((_, other, first)) = taken.iter().find(same) {
                    // The same entry twice is one for the engine.
                    if *first == name && other.target == port.target && other.host_ip == port.host_ip {
                        continue;
                    }
                    return Some(Conflict::PublishedPort {
                        port: published,
                        protocol: port.protocol.clone(),
                        first: (*first).into(),
                        second: name.into(),
                    });
                }
                taken.push((published, port, name));
            }
        }
        None
    }
}

impl Project {
    /// Whether the engine publishes a service's ports while the others run.
    fn publishes(&self, name: &str, service: &Service, services: &[&str]) -> bool {
        let shares = service.network_mode.as_deref().is_some_and(|mode| mode != "bridge" && mode != "default");
        let over = |other: &&str| {
            let needed = self.services.get(*other).and_then(|other| other.depends_on.get(name));
            needed.is_some_and(|needed| needed.condition == Condition::ServiceCompletedSuccessfully)
        };
        // One that is waited for to its end has freed them; whoever runs beside it before that is seen when it starts.
        !shares && service.replicas() != 0 && !self.only_internal(service) && !services.iter().any(over)
    }

    /// Whether a service has only internal networks: the engine publishes no ports there.
    #[must_use]
    pub fn only_internal(&self, service: &Service) -> bool {
        let internal = |name: &String| self.networks.get(name).is_some_and(|network| network.internal);
        service.network_mode.is_none() && !service.networks.is_empty() && service.networks.keys().all(internal)
    }
}

fn not_a_port(port: &Port) -> Option<String> {
    if port.target == 0 || port.target > u32::from(u16::MAX) {
        return Some(port.target.to_string());
    }
    // "0" asks the engine to choose.
    let chosen = matches!(port.published.as_str(), "" | "0");
    (!chosen && port.published_range().is_none()).then(|| format!("{:?}", port.published))
}

/// Whether a socket on one address keeps another off the same port.
fn overlap(one: &str, other: &str) -> bool {
    let everywhere = |text: &str| text.is_empty();
    if one == other || everywhere(one) || everywhere(other) {
        return true;
    }
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => {
            one.is_ipv4() == other.is_ipv4() && (one == other || one.is_unspecified() || other.is_unspecified())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn conflict(services: &Value) -> Option<String> {
        let project = Project::from_json(json!({"name": "p", "services": services}).to_string().as_bytes()).unwrap();
        let names: Vec<&str> = project.services.keys().map(String::as_str).collect();
        project.conflict(&names).map(|c| c.to_string())
    }

    fn ports(a: &Value, b: &Value) -> Option<String> {
        conflict(&json!({"a": {"ports": [a]}, "b": {"ports": [b]}}))
    }

    #[test]
    fn names_and_ports_that_meet() {
        let port = |ip: &str, published: &str, protocol: &str| json!({"target": 50051, "published": published, "protocol": protocol, "host_ip": ip});
        let clash = "services a and b both publish the port 50000/tcp";
        let of = |ip1, ip2| ports(&port(ip1, "50000", "tcp"), &port(ip2, "50000", "tcp"));
        for (one, two) in
            [("", ""), ("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("", "::1")]
        {
            assert_eq!(of(one, two).as_deref(), Some(clash), "{one} {two}");
        }
        assert_eq!(of("127.0.0.1", "127.0.0.2"), None);
        assert_eq!(of("::1", "127.0.0.1"), None);
        assert_eq!(ports(&port("", "50000", "tcp"), &port("", "50000", "udp")), None);
        assert_eq!(ports(&port("", "50000-50001", "tcp"), &port("", "50000", "tcp")), None);
        assert_eq!(ports(&port("", "", "tcp"), &port("", "", "tcp")), None);
        assert_eq!(
            conflict(&json!({"a": {"ports": [port("", "1", "tcp"), {"target": 2, "published": "1"}]}})).unwrap(),
            "service a publishes twice the port 1/tcp"
        );
        assert_eq!(
            conflict(&json!({"a": {"container_name": "function"}, "b": {"container_name": "function"}})).unwrap(),
            "services a and b both have the container name function"
        );
        for name in ["f", "../esc", "-x", "a b", "é1", "", "/", "/f"] {
            let said = conflict(&json!({"a": {"container_name": name}}));
            assert!(said.is_some_and(|said| said.contains("no container name")), "{name:?}");
        }
        for name in ["fn", "0a", "a_.-", "/ab"] {
            assert_eq!(conflict(&json!({"a": {"container_name": name}})), None, "{name:?}");
        }
        // The name that Compose gives is one as well.
        assert!(conflict(&json!({"a": {"container_name": "p-b-1"}, "b": {}})).is_some());
    }

    #[test]
    fn ports_that_nobody_publishes_meet_none() {
        let port = json!([{"target": 50051, "published": "50000"}]);
        for other in [
            json!({"ports": port, "network_mode": "host"}),
            json!({"ports": port, "network_mode": "none"}),
            json!({"ports": port, "scale": 0}),
            json!({"ports": port, "networks": {"in": null}}),
        ] {
            let document = json!({"name": "p", "networks": {"in": {"name": "p_in", "internal": true}}, "services": {"a": {"ports": port}, "b": other}});
            let project = Project::from_json(document.to_string().as_bytes()).unwrap();
            assert_eq!(project.conflict(&["a", "b"]), None, "{other}");
        }
        let after = |condition: &str| json!({"a": {"ports": port, "depends_on": {"b": {"condition": condition}}}, "b": {"ports": port}});
        assert_eq!(conflict(&after("service_completed_successfully")), None);
        assert!(conflict(&after("service_started")).is_some());
        // The engine's own network publishes.
        assert!(conflict(&json!({"a": {"ports": port}, "b": {"ports": port, "network_mode": "bridge"}})).is_some());
    }

    #[test]
    fn ports_that_are_none() {
        for (target, published) in [(0, "1"), (70_000, ""), (1, "70000"), (1, "x"), (1, "9-3"), (1, "0-3")] {
            let words = conflict(&json!({"a": {"ports": [{"target": target, "published": published}]}}));
            assert!(words.is_some_and(|w| w.contains("is not a port")), "{target} {published}");
        }
        assert_eq!(conflict(&json!({"a": {"ports": [{"target": 1, "published": "0"}]}})), None);
    }
}
