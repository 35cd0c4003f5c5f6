//! What became of the calls of a load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::latency::LoadLatency;
use super::threshold::Threshold;
use crate::ClientFailure;

/// Name of the form of [`LoadReport`].
pub const LOAD_SCHEMA: &str = "futon.load/1";

/// The results of a load's calls. The client writes everything except what only the judge of the replies knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadReport {
    /// `futon.load/1`.
    pub schema: String,
    /// What was called.
    pub function: String,
    /// `closed`: a new call is sent when one has ended; `open`: calls are sent at fixed times, whether or not earlier ones have ended.
    pub mode: String,
    /// Calls a second as they were wanted, of an open loop: `500`, `100,200,400`, `100..1000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// Connections.
    pub connections: u32,
    /// Maximum calls in flight.
    pub concurrency: u32,
    /// Measured calls with a correct reply.
    pub verified: u64,
    /// Measured calls that failed, or whose reply is wrong or could not be judged.
    pub failed: u64,
    /// Calls of an open loop that were due but not sent before its end, because too many were in flight.
    #[serde(default)]
    pub not_sent: u64,
    /// Warm-up calls with a correct reply.
    #[serde(default)]
    pub warmup_verified: u64,
    /// Calls before the measured ones that failed.
    #[serde(default)]
    pub warmup_failed: u64,
    /// From the first measured call's time to the last one's end, seconds.
    pub duration_s: f64,
    /// Correct replies per second.
    pub verified_per_s: f64,
    /// Latencies of all measured calls that brought a whole reply, milliseconds: of a closed loop from the moment in which they were
    /// sent, of an open loop from the one in which they were to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<LoadLatency>,
    /// Whether the client's own core was the limit; the results then describe the client.
    pub client_saturated: bool,
    /// Share of the time in which the client's thread ran or waited for its core.
    pub client_busy: f64,
    /// Failed calls by gRPC's or HTTP's status, or in words: `UNAVAILABLE`, `deadline`, `wrong reply`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// The first failure that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<ClientFailure>,
    /// Distinct replies, each judged separately.
    pub distinct_replies: u64,
    /// Measured calls whose replies could not be kept for judging, because too many differed.
    #[serde(default)]
    pub not_judged: u64,
    /// Why it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_early: Option<String>,
    /// Time to connect, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<f64>,
    /// The maximum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// Whether the machine runs at a real processor's speed, so that its times mean something.
    #[serde(default = "yes")]
    pub is_performance: bool,
    /// The distribution of latencies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub percentiles: Vec<LoadPoint>,
    /// The load over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<LoadSecond>,
}

fn yes() -> bool {
    true
}

/// A point of the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadPoint {
    /// Per cent of the calls …
    pub percent: f64,
    /// … took at most this many milliseconds.
    pub ms: f64,
}

/// A part of the load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadSecond {
    /// Its end, seconds from the first measured call's time.
    pub until_s: f64,
    /// Replies per second in this part.
    pub replies_per_s: f64,
    /// Median of their latencies, milliseconds.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

impl LoadReport {
    /// All measured calls.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.verified + self.failed
    }

    /// Whether every call was made and every reply is right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.failed == 0 && self.warmup_failed == 0 && self.verified > 0 && self.ended_early.is_none()
    }

    /// Counts measured calls, or those before them, by what a judge says of their reply: nothing, or the failure's short name.
    pub fn count(&mut self, measured: u64, warmup: u64, failure: Option<&str>) {
        match failure {
            None => {
                self.verified += measured;
                self.warmup_verified += warmup;
            }
            Some(name) => {
                self.failed += measured;
                self.warmup_failed += warmup;
                *self.errors.entry(name.to_owned()).or_default() += measured + warmup;
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let verified = self.verified as f64;
        self.verified_per_s = if self.duration_s > 0.0 { verified / self.duration_s } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_judge_says_is_counted() {
        let mut report = LoadReport { duration_s: 2.0, ..LoadReport::default() };
        assert!(!report.is_right(), "nothing was called");
        report.count(10, 1, None);
        assert!(report.is_right());
        report.count(3, 2, Some("UNAVAILABLE"));
        assert_eq!((report.verified, report.failed, report.warmup_verified, report.warmup_failed), (10, 3, 1, 2));
        assert_eq!((report.verified_per_s, report.errors["UNAVAILABLE"], report.made()), (5.0, 5, 13));
        assert!(!report.is_right());
    }
}
