//! The witnesses of a run.

use futon_model::{ClientReport, Event, Plan};

/// What a verdict is made from.
#[derive(Debug, Clone)]
pub struct Witnesses<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Everything that happened.
    pub events: &'a [Event],
    /// The client's report, if one came with the token.
    pub client: Option<&'a ClientReport>,
    /// Results logs: those that came with the token, or all if the script has no token.
    pub results_logs: &'a [String],
    /// Whether the machine runs at a real processor's speed, so that latencies mean something.
    pub native_speed: bool,
}
