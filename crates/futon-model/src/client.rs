//! The test client's report (`futon.client/1`), as the guest uploads it.

use serde::{Deserialize, Serialize};

/// What the test client did and saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientReport {
    /// `futon.client/1`.
    pub schema: String,
    /// Function name as given.
    pub function: String,
    /// gRPC service family (`fibonacci`, `aes`, …).
    pub service: String,
    /// Method called.
    pub method: String,
    /// Seed of random inputs.
    pub seed: u64,
    /// Measured invocations planned.
    pub planned: u64,
    /// Measured invocations whose reply was verified.
    pub verified: u64,
    /// Measured invocations that failed.
    pub failed: u64,
    /// Measured invocations that were not made.
    pub not_made: u64,
    /// Warm-up invocations.
    pub warmup: PhaseCount,
    /// What became of the first call.
    pub greeting: Greeting,
    /// Time to connect, milliseconds; absent when there was no connection.
    pub connect_ms: Option<f64>,
    /// The first failed call.
    pub first_failure: Option<ClientFailure>,
    /// Latencies of the measured invocations, milliseconds.
    pub latency_ms: Option<LatencyMs>,
    /// One latency an invocation, milliseconds; absent where it failed.
    #[serde(default)]
    pub latencies_ms: Vec<Option<f64>>,
    /// Latency histogram.
    #[serde(default)]
    pub histogram: Vec<HistogramBucket>,
}

/// What became of the call before all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Greeting {
    /// Its reply was right.
    Verified,
    /// It had a reply, which was not looked at (`-no-verify`).
    Unverified,
    /// It failed, or its reply was wrong.
    Failed,
    /// The client did not come to it.
    NotMade,
    /// Declared calls, loads and measurements of a first call begin without one.
    None,
}

impl Greeting {
    /// As it is in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
            Self::NotMade => "not_made",
            Self::None => "none",
        }
    }
}

/// Counts of one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseCount {
    /// Calls planned.
    pub planned: u64,
    /// Calls verified.
    pub verified: u64,
    /// Calls failed.
    pub failed: u64,
}

/// Which part of the client's work a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The first call, before all others.
    Greeting,
    /// Warm-up calls, not measured.
    Warmup,
    /// Measured invocations.
    Measured,
}

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientFailureKind {
    /// The reply is not the expected one.
    WrongReply,
    /// The call ended with a gRPC error.
    RpcError,
    /// The call's deadline passed.
    Deadline,
    /// There was no connection.
    Connect,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClientFailure {
    /// Number of the call, from 1, over all calls of the client; 0 when no call was made.
    pub call: u64,
    /// Phase the call belongs to.
    pub phase: Phase,
    /// Number of the measured invocation, from 1.
    pub invocation: Option<u64>,
    /// What went wrong.
    pub kind: ClientFailureKind,
    /// gRPC status name (`UNAVAILABLE`, …).
    pub status: Option<String>,
    /// Expected reply.
    pub expected: Option<String>,
    /// Reply received.
    pub got: Option<String>,
    /// The same for people.
    pub message: String,
}

/// Latency summary, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LatencyMs {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Smallest.
    #[serde(default)]
    pub min: f64,
    /// Arithmetic mean.
    #[serde(default)]
    pub mean: f64,
}

/// One bucket of the latency histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HistogramBucket {
    /// Upper bound, milliseconds, inclusive.
    pub le_ms: f64,
    /// Calls in this bucket (not cumulative).
    pub count: u64,
}
