//! Whether each planned call was made and its reply is right.

use futon_model::{Code, Outcome, Verdict, steps};

use super::explain::{failed_call, verdict};
use super::judge::Witnesses;

/// The reason why not; nothing where all are.
pub(super) fn replies_verified(w: &Witnesses<'_>) -> Option<Verdict> {
    let plan = w.plan.client.as_ref()?;
    let Some(client) = w.client else {
        return Some(verdict(Outcome::Failed, steps::INVOKE, Code::NotVerified, "the client's report did not arrive"));
    };
    // Declared calls have none: it would change a function that remembers.
    let greeted = plan.declared.is_some() || client.greeting == "verified";
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
    let greeting = if plan.declared.is_some() { String::new() } else { format!(", greeting {}", client.greeting) };
    let why =
        format!("{} of {} replies verified, {} failed{greeting}", client.verified, plan.invocations, client.failed);
    Some(verdict(Outcome::Failed, steps::INVOKE, Code::NotVerified, why))
}
