//! Whether each planned call was made and its reply is right.

use futon_model::{ClientReport, Code, Greeting, LoadReport, Outcome, Verdict, steps};

use super::explain::{failed_call, hint, verdict};
use super::witnesses::Witnesses;

/// Why not; nothing if all are correct.
pub(super) fn replies_verified(w: &Witnesses<'_>) -> Option<Verdict> {
    // A client that only describes makes no calls.
    let plan = w.plan.client.as_ref().filter(|client| !client.describes)?;
    let Some(client) = w.client else {
        return Some(verdict(Outcome::Failed, steps::INVOKE, Code::NotVerified, "the client's report did not arrive"));
    };
    if plan.load.is_some() {
        return load_verified(w, client);
    }
    // Declared calls have no greeting: it would change a function with state.
    let wanted = if plan.no_greeting { Greeting::None } else { Greeting::Verified };
    let greeted = plan.declared.is_some() || client.greeting == wanted;
    let complete = client.verified == plan.invocations
        && client.planned == plan.invocations
        && client.failed == 0
        && greeted
        && client.warmup.verified == plan.warmup;
    if complete {
        return None;
    }
    if plan.declared.is_some()
        && let Some(failure) = &client.first_failure
    {
        return Some(failed_call(w.plan, failure));
    }
    let greeting =
        if plan.declared.is_some() { String::new() } else { format!(", greeting {}", client.greeting.word()) };
    let why =
        format!("{} of {} replies verified, {} failed{greeting}", client.verified, plan.invocations, client.failed);
    Some(verdict(Outcome::Failed, steps::INVOKE, Code::NotVerified, why))
}

/// A load makes as many calls as time allows: there must be some, and all must be correct.
fn load_verified(w: &Witnesses<'_>, client: &ClientReport) -> Option<Verdict> {
    if let Some(failure) = &client.first_failure {
        return Some(failed_call(w.plan, failure));
    }
    let right = client.verified > 0 && client.failed == 0 && client.not_made == 0 && client.warmup.failed == 0;
    if right {
        return None;
    }
    let why =
        format!("{} replies verified, {} calls failed, {} not made", client.verified, client.failed, client.not_made);
    Some(verdict(Outcome::Failed, steps::INVOKE, Code::NotVerified, why))
}

/// Which threshold of a load is exceeded; nothing if all hold.
pub(crate) fn thresholds_hold(load: &LoadReport) -> Option<Verdict> {
    let latency = load.latency_ms.unwrap_or_default();
    let exceeded: Vec<String> = load.thresholds.iter().filter_map(|threshold| threshold.exceeded(&latency)).collect();
    if exceeded.is_empty() {
        return None;
    }
    let v = verdict(Outcome::Failed, steps::INVOKE, Code::ThresholdExceeded, exceeded.join("; "));
    Some(if load.client_saturated {
        hint(v, "the client's own core was the limit: lower the load, or give the machine more processors")
    } else {
        v
    })
}
