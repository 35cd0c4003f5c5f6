//! What the host asks the guest's engine for, through `futon-guest up`: `service.json`. Both sides share these types, so that a form which only one of
//! them knows does not compile.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Requests that bring a service up: networks and volumes first, then the containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineRequests {
    /// Bodies of `POST /networks/create`.
    pub networks: Vec<Value>,
    /// Bodies of `POST /volumes/create`.
    #[serde(default)]
    pub volumes: Vec<Value>,
    /// Containers in the order in which they start.
    pub containers: Vec<ContainerRequest>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerRequest {
    /// Compose's name of its service.
    #[serde(default)]
    pub service: String,
    /// Name of the container.
    pub name: String,
    /// Body of `POST /containers/create`.
    pub create: Value,
    /// What is waited for before it starts.
    #[serde(default)]
    pub after: Vec<StartAfter>,
}

/// An entry of `depends_on`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartAfter {
    /// The service that is needed.
    pub service: String,
    /// Its container.
    pub container: String,
    /// How far it must have come.
    pub condition: StartCondition,
    /// Whether its failure is the other's, too.
    pub required: bool,
}

/// The state that a dependency must reach, in the terms of the Compose specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartCondition {
    /// It was started.
    #[serde(rename = "service_started")]
    Started,
    /// Its healthcheck has succeeded.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// It has ended with status 0.
    #[serde(rename = "service_completed_successfully")]
    Completed,
}
