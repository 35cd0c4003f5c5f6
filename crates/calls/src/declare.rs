//! What a user writes: the keys of `x-futon`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::expect::Expect;
use crate::scalar::{OneOrMany, present};

/// The keys of a service's `x-futon`, or of a file of calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// Name of a built-in client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Method that the built-in client calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Input of the built-in client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Port in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A kind of function that many platforms know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Where gRPC's messages are described.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaSource>,
    /// All calls go over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// When the function serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// The calls, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// What logs must or must not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The failure that is known to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_failure: Option<ExpectFailure>,
}

/// A kind of function: where it listens and how it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// AWS Lambda's runtime interface emulator.
    Lambda,
    /// Knative: HTTP on `$PORT`.
    Knative,
    /// `CloudEvents` over HTTP on `$PORT`.
    Cloudevents,
    /// `OpenFaaS`'s of-watchdog.
    Openfaas,
}

impl Declaration {
    /// Whether only the server can describe the gRPC messages: reflection is requested, or a call needs a schema and none is given.
    #[must_use]
    pub fn wants_reflection(&self) -> bool {
        let grpc = self.calls.iter().any(|call| call.call.is_some() && call.http.is_none());
        grpc && self.schema.as_ref().is_none_or(|schema| schema.reflection)
    }

    /// A call's name for people: its method, or the request that its preset makes.
    pub(crate) fn name_of(&self, call: &Call) -> String {
        let default = || self.preset.map(Preset::request).unwrap_or_default().to_owned();
        call.call.clone().or_else(|| call.http.clone()).unwrap_or_else(default)
    }
}

impl Preset {
    /// When such a function counts as serving.
    #[must_use]
    pub fn ready(self) -> Ready {
        match self {
            Self::Lambda | Self::Knative | Self::Cloudevents => Ready::Tcp(true),
            Self::Openfaas => Ready::Http("GET /_/health".to_owned()),
        }
    }

    /// The request of a call that names none.
    pub(crate) fn request(self) -> &'static str {
        match self {
            Self::Lambda => "POST /2015-03-31/functions/function/invocations",
            Self::Knative | Self::Cloudevents | Self::Openfaas => "POST /",
        }
    }

    /// The port that such a function listens on; `environment` gives a variable of its own.
    #[must_use]
    pub fn port(self, environment: impl Fn(&str) -> Option<String>) -> u16 {
        let own = match self {
            Self::Knative | Self::Cloudevents => environment("PORT").and_then(|text| text.parse().ok()),
            Self::Lambda | Self::Openfaas => None,
        };
        own.unwrap_or(8080)
    }
}

/// Where gRPC's messages are described.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaSource {
    /// Files in the language of Protocol Buffers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proto: Vec<String>,
    /// Folders in which imports are looked up, beside those of the files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// The server itself is asked, by gRPC's reflection.
    #[serde(skip_serializing_if = "is_false")]
    pub reflection: bool,
    /// A set of descriptors, as `protoc --descriptor_set_out --include_imports` writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protoset: Option<String>,
}

/// Which certificate a function must have. Either `ca` or `accept`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// File of certificates in PEM: the function's own, or one that its own is signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Any certificate will do.
    #[serde(skip_serializing_if = "is_false")]
    pub accept: bool,
    /// The name that a signed certificate must be for, and that the client asks for; `localhost` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// File of the client's own certificate in PEM, and of those that sign it, for a server that wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// File of that certificate's key in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// When a function counts as serving. Exactly one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// The protocol's own greeting: `true`.
    Protocol(bool),
    /// `grpc.health.v1.Health/Check` says SERVING: of the whole server (`true`), or of a service.
    GrpcHealth(Health),
    /// An HTTP request that gets a 2xx: `GET /healthz`.
    Http(String),
    /// Something listens on the port inside the container: `true`.
    Tcp(bool),
    /// A line of the container's log matches.
    Log(String),
}

/// Whose health is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Health {
    /// The server's.
    Server(bool),
    /// A service's.
    Service(String),
}

/// One declared call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Call {
    /// gRPC method: `package.Service/Method`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// HTTP method and path: `POST /fn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// HTTP/2 without TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub h2c: bool,
    /// gRPC's request, or a list of them, in JSON.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub data: Option<Value>,
    /// gRPC's metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, OneOrMany>,
    /// HTTP's headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, OneOrMany>,
    /// HTTP's body as JSON.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub json: Option<Value>,
    /// HTTP's body as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// HTTP's body as a file's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// HTTP's body as a `CloudEvent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Cloud>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// gRPC's deadline.
    #[serde(skip_serializing_if = "Option::is_none", with = "deadline")]
    pub deadline: Option<Duration>,
    /// The client cancels after so many messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_after: Option<u64>,
    /// What is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// How often a call is made: at least once.
pub type Times = std::num::NonZeroU64;

/// A `CloudEvent` (CloudEvents 1.0.2, HTTP protocol binding).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cloud {
    /// `ce-type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `ce-source`; `futon` where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `ce-id`; the call's number where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `ce-subject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its data, as JSON.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub data: Option<Value>,
    /// How it is written.
    pub mode: EventMode,
}

/// How a `CloudEvent` is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventMode {
    /// Attributes in headers, data in the body.
    #[default]
    Binary,
    /// All in one JSON object.
    Structured,
}

/// A regular expression on a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// `console`, `container`, or the name of a file of the results.
    pub file: String,
    /// This must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_match: Option<String>,
    /// This must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_not_match: Option<String>,
    /// What it means when it is otherwise.
    #[serde(default)]
    pub level: Level,
}

/// What a check that does not hold means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The run fails.
    #[default]
    Fail,
    /// A remark, as a warning.
    Warn,
    /// A remark.
    Info,
}

/// A failure that is known to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectFailure {
    /// The verdict's code.
    pub code: String,
    /// Why it is known.
    pub why: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// `500ms`, `2s`.
mod deadline {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(&humantime::format_duration(*value)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = String::deserialize(deserializer)?;
        match humantime::parse_duration(&text) {
            Ok(length) if length.as_millis() > 0 => Ok(Some(length)),
            _ => Err(D::Error::custom(format!("{text:?} is not a duration; write 500ms or 2s"))),
        }
    }
}
