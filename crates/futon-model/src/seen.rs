//! Observations of a running function: its ports, protocols and offers.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// File in which the guest notes where a container listens, for its client.
pub const LISTENING: &str = "listening.json";
/// File that brings what was seen to the host.
pub const SEEN: &str = "seen.json";

/// What was seen of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Where it listens, by port.
    pub listeners: Vec<Listener>,
}

/// A TCP port that is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Address in the container.
    pub address: IpAddr,
    /// Port in the container.
    pub port: u16,
    /// Where a client in the guest reaches it; none for listeners on the container's loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<SocketAddr>,
    /// What answers.
    pub speaks: Speaks,
    /// What it says as a gRPC server, where HTTP/2 or TLS answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Offers>,
}

/// What answers on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Speaks {
    /// HTTP/2 without TLS: what gRPC needs.
    Http2,
    /// HTTP/1.
    Http1 {
        /// The status line of its answer to `GET /`, or of its first answer to anything.
        line: String,
    },
    /// TLS.
    Tls,
    /// It accepts connections and sends nothing.
    Silence,
    /// It closes each connection without an answer.
    Closes,
    /// Something else.
    Other {
        /// What it said.
        said: String,
    },
    /// Nothing outside the container reaches it.
    Loopback,
}

impl Speaks {
    /// For people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Http2 => "HTTP/2".to_owned(),
            Self::Http1 { line } => format!("HTTP/1: answers GET / with {line}"),
            Self::Tls => "TLS".to_owned(),
            Self::Silence => "accepts connections and sends nothing".to_owned(),
            Self::Closes => "closes each connection without an answer".to_owned(),
            Self::Other { said } => said.clone(),
            Self::Loopback => "reachable only from inside the container".to_owned(),
        }
    }
}

/// What a gRPC server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Offers {
    /// Whether a reply was one of gRPC's at all.
    pub is_grpc: bool,
    /// Version of its reflection service: `v1` or `v1alpha`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reflection: Option<String>,
    /// Why reflection gave nothing, or not all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Its services by full name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Their files: each a `FileDescriptorProto`, in base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What `grpc.health.v1.Health/Check` says: of the server, which has no name, and of services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<ServiceHealth>,
}

/// Health of a server or service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// The service; empty: the server.
    pub service: String,
    /// `SERVING`, `NOT_SERVING`, …
    pub status: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_comes_back() {
        let text = r#"{"listeners":[{"address":"0.0.0.0","port":50051,"reached_at":"172.18.0.2:50051","speaks":{"protocol":"http2"},"grpc":{"is_grpc":true,"reflection":"v1","services":["a.B"],"health":[{"service":"","status":"SERVING"}]}},{"address":"::1","port":8080,"speaks":{"protocol":"loopback"}},{"address":"::","port":80,"speaks":{"protocol":"http1","line":"HTTP/1.1 200 OK"}}]}"#;
        let seen: Seen = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&seen).unwrap(), text);
        assert_eq!(seen.listeners[2].speaks.words(), "HTTP/1: answers GET / with HTTP/1.1 200 OK");
    }
}
