//! How calls are sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Rate, Threshold};

/// Plan of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// Connections.
    pub connections: u32,
    /// Calls in flight at most, over all connections; none: as the kind of load has it ([`LoadPlan::in_flight`]).
    pub concurrency: Option<u32>,
    /// Calls a second; none: a new call is sent when one has ended.
    pub rate: Option<Rate>,
    /// How long measured calls are sent.
    #[serde(with = "humantime_serde")]
    pub duration: Duration,
    /// How long calls are sent before.
    #[serde(with = "humantime_serde")]
    pub warmup: Duration,
    /// The maximum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// Whether they are held even where the machine is emulated.
    #[serde(default)]
    pub emulated: bool,
}

impl LoadPlan {
    /// Calls in flight at most. An open loop waits for nothing, so its limit only guards the client's memory.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        let default = if self.rate.is_some() { 10_000 } else { self.connections };
        self.concurrency.unwrap_or(default).max(1)
    }

    /// Warm-up and measured calls together.
    #[must_use]
    pub fn whole(&self) -> Duration {
        self.warmup.saturating_add(self.duration)
    }
}
