//! How to wait for a function.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The condition for calling a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Probe {
    /// HTTP/2's first frame, SETTINGS: under every gRPC call.
    #[default]
    Http2,
    /// Any answer of HTTP/1.
    Http1,
    /// A 2xx answer to a request: its method and path.
    Request(String, String),
    /// Something listens on the port.
    Tcp,
    /// A TLS record answers a greeting.
    Tls,
    /// `grpc.health.v1.Health/Check` says SERVING of a service, or, with an empty name, of the server.
    GrpcHealth(String),
    /// A line of the container's log matches a regular expression.
    Log(String),
    /// Something listens on any TCP port of the container: what speaks there is then found out, and noted for the client.
    Listens,
}

impl Probe {
    /// Whether it is the one that is taken where nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::Http2
    }
}

/// As `futon-guest ready --probe` takes it.
impl fmt::Display for Probe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http2 => out.write_str("http2"),
            Self::Http1 => out.write_str("http1"),
            Self::Request(method, path) => write!(out, "request {method} {path}"),
            Self::Tcp => out.write_str("tcp"),
            Self::Tls => out.write_str("tls"),
            Self::GrpcHealth(service) if service.is_empty() => out.write_str("grpc-health"),
            Self::GrpcHealth(service) => write!(out, "grpc-health {service}"),
            Self::Log(regex) => write!(out, "log {regex}"),
            Self::Listens => out.write_str("listens"),
        }
    }
}

impl FromStr for Probe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match (word, rest) {
            ("http2", "") => Self::Http2,
            ("http1", "") => Self::Http1,
            ("tcp", "") => Self::Tcp,
            ("tls", "") => Self::Tls,
            ("listens", "") => Self::Listens,
            ("grpc-health", service) => Self::GrpcHealth(service.to_owned()),
            ("log", regex) if !regex.is_empty() => Self::Log(regex.to_owned()),
            ("request", rest) => match rest.split_once(' ') {
                Some((method, path)) if path.starts_with('/') => Self::Request(method.to_owned(), path.to_owned()),
                _ => return Err(format!("{rest:?} is not a request; write METHOD /path")),
            },
            _ => return Err(format!("unknown probe {text:?}")),
        })
    }
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Probe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_comes_back() {
        for text in [
            "http2",
            "http1",
            "tcp",
            "tls",
            "request GET /healthz",
            "grpc-health",
            "grpc-health a.B",
            "log ready: [0-9]+",
            "listens",
        ] {
            assert_eq!(text.parse::<Probe>().unwrap().to_string(), text);
        }
        for text in ["", "http3", "request GET", "log", "tcp 1"] {
            assert!(text.parse::<Probe>().is_err(), "{text}");
        }
    }
}
