//! From a step that went wrong to a sentence that helps.

use futon_model::{
    ClientFailure, ClientFailureKind, ClientReport, Code, Event, EventKind, GuestEvent, Outcome, Phase, Plan, Verdict,
    steps,
};

use super::steps::EndedStep;

/// Characters of an expected or received reply that a sentence shows.
const REPLY_SHOWN: usize = 160;

/// A verdict without a hint.
pub(super) fn verdict(outcome: Outcome, step: &str, code: Code, why: impl Into<String>) -> Verdict {
    Verdict { outcome, step: Some(step.to_owned()), code, why: why.into(), hint: None }
}

/// Adds a hint.
pub(super) fn hint(verdict: Verdict, hint: impl Into<String>) -> Verdict {
    Verdict { hint: Some(hint.into()), ..verdict }
}

/// Explains the first step that did not end well.
pub(super) fn failed_step(plan: &Plan, step: &EndedStep, events: &[Event], client: Option<&ClientReport>) -> Verdict {
    match step.name.as_str() {
        steps::INVOKE => {
            if let Some(failure) = client.and_then(|c| c.first_failure.as_ref()) {
                return failed_call(plan, failure);
            }
        }
        steps::PULL => {
            if let Some(verdict) = failed_pull(step, events) {
                return verdict;
            }
        }
        steps::READY => return never_ready(step, events),
        _ => {}
    }
    if step.timed_out {
        let seconds = plan.limits.of(&step.name).as_secs();
        let why =
            format!("the step did not end within its limit of {seconds} s; it last said: {}", last_line(&step.tail));
        let raise = format!("raise it with --limit {}=DURATION if the function needs longer", step.name);
        return hint(verdict(Outcome::TimedOut, &step.name, Code::StepTimedOut, why), raise);
    }
    let how = match (step.exit_status, step.signal) {
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    };
    let why = format!("the step ended with {how}; it last said: {}", last_line(&step.tail));
    let see = format!("results.log has all that the step {} printed", step.name);
    hint(verdict(Outcome::Failed, &step.name, Code::StepFailed, why), see)
}

fn failed_pull(step: &EndedStep, events: &[Event]) -> Option<Verdict> {
    if step.tail.contains("no space left on device") {
        let v = verdict(
            Outcome::Failed,
            steps::PULL,
            Code::GuestDiskFull,
            "no space left on the guest's disk while pulling the image",
        );
        return Some(hint(v, "make a larger base image: `futon resources build --disk-size 16G`"));
    }
    let missing = events.iter().find_map(|e| match &e.kind {
        EventKind::ImageRequested { reference, status: 404, .. } => Some(reference),
        _ => None,
    })?;
    let v =
        verdict(Outcome::Failed, steps::PULL, Code::ImageNotFound, format!("the image {missing} is not in the store"));
    Some(hint(v, "`futon images list` shows what is there; `futon images add` or `futon images build` adds one"))
}

fn never_ready(step: &EndedStep, events: &[Event]) -> Verdict {
    let exited = events.iter().find_map(|e| match &e.kind {
        EventKind::Guest { authentic: true, guest: GuestEvent::ContainerState { status, exit_code, .. } }
            if status == "exited" || status == "dead" =>
        {
            Some(*exit_code)
        }
        _ => None,
    });
    let said = last_line(&step.tail);
    let see = "container.log has what the function itself printed";
    if exited.is_some() || said.contains("exited with status") {
        let v = verdict(
            Outcome::Failed,
            steps::READY,
            Code::ContainerExited,
            format!("the container did not stay up: {said}"),
        );
        return hint(v, see);
    }
    let v = verdict(Outcome::Failed, steps::READY, Code::NeverReady, format!("the function never served: {said}"));
    hint(v, format!("{see}; does it listen on the published port? raise the wait with --limit ready=DURATION"))
}

fn failed_call(plan: &Plan, failure: &ClientFailure) -> Verdict {
    let planned = plan.client.as_ref().map_or(0, |c| c.invocations);
    let which = match (failure.phase, failure.invocation) {
        (Phase::Measured, Some(i)) => format!("call {} (invocation {i} of {planned})", failure.call),
        (Phase::Warmup, _) => format!("call {} (warm-up)", failure.call),
        _ => format!("call {} (the greeting)", failure.call),
    };
    let see = "container.log has what the function itself printed";
    match failure.kind {
        ClientFailureKind::WrongReply => {
            let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "nothing".to_owned(), quote);
            let why =
                format!("{which}: wrong reply: expected {}, got {}", shown(&failure.expected), shown(&failure.got));
            let v = verdict(Outcome::Failed, steps::INVOKE, Code::WrongReply, why);
            hint(v, "is it the right client for this image? --client NAME chooses another")
        }
        ClientFailureKind::Deadline => {
            let seconds = plan.limits.call.as_secs();
            let why = format!("{which}: no reply within {seconds} s");
            let v = verdict(Outcome::TimedOut, steps::INVOKE, Code::CallTimedOut, why);
            hint(v, format!("{see}; raise the wait with --limit call=DURATION"))
        }
        ClientFailureKind::RpcError => {
            let status = failure.status.as_deref().unwrap_or("an error");
            let why = format!("{which}: {status}: {}", failure.message);
            hint(verdict(Outcome::Failed, steps::INVOKE, Code::CallFailed, why), see)
        }
        ClientFailureKind::Connect => {
            let why = format!("the client got no connection: {}", failure.message);
            hint(verdict(Outcome::Failed, steps::INVOKE, Code::CallFailed, why), see)
        }
    }
}

/// The last line of a text that says something.
fn last_line(tail: &str) -> String {
    let line = tail.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or("nothing");
    line.chars().take(400).collect()
}

/// A reply in quotes, cut where it is long.
fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(REPLY_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
