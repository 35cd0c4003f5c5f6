//! gRPC server reflection (grpc/grpc, src/proto/grpc/reflection): the client in the guest asks by a [`Survey`], the host makes a
//! schema of the files that it brought.

mod editions;
mod files;
mod known;
mod survey;
mod wire;

pub(crate) use known::known_set;
pub use survey::{MOST_BYTES, MOST_FILES, MOST_SERVICES, Question, Survey};

/// The methods of reflection, the newer first: version and path. Both speak the same messages.
pub const VERSIONS: [(&str, &str); 2] = [
    ("v1", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
    ("v1alpha", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
];

/// Path of the method that tells a service's health.
pub const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Services of gRPC itself begin so.
pub const OWN: &str = "grpc.";

/// A request of `grpc.health.v1.Health/Check` as a gRPC message with its prefix.
#[must_use]
pub fn health_request(service: &str) -> Vec<u8> {
    wire::framed(&wire::HealthRequest { service: service.to_owned() })
}

/// The status in a reply of `grpc.health.v1.Health/Check`.
#[must_use]
pub fn health_status(reply: &[u8]) -> String {
    use prost::Message;
    match wire::HealthReply::decode(reply).map(|reply| reply.status) {
        Ok(0) => "UNKNOWN".to_owned(),
        Ok(1) => "SERVING".to_owned(),
        Ok(2) => "NOT_SERVING".to_owned(),
        Ok(3) => "SERVICE_UNKNOWN".to_owned(),
        Ok(other) => format!("status {other}"),
        Err(_) => "no health message".to_owned(),
    }
}
