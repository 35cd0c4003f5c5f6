//! Explains a failed step in a helpful sentence.

use futon_common::text::{duration, one_line};
use futon_model::{
    Base, ClientFailure, ClientFailureKind, ClientReport, Code, Event, EventKind, GuestEvent, Outcome, Phase, Plan,
    Unready, Verdict, steps,
};

use super::steps::EndedStep;

/// How many characters of an expected or received reply a sentence shows.
const REPLY_SHOWN: usize = 160;

/// Maximum characters of a reason: the beginning of a 10 KB status message says enough, and the events have all of it.
const WHY_SHOWN: usize = 900;

const SEE_CONTAINER: &str = "the function's own output is in container.log";

/// A verdict without a hint. Text from guests is shown on one line, whatever it contains.
pub(super) fn verdict(outcome: Outcome, step: &str, code: Code, why: impl AsRef<str>) -> Verdict {
    let why = shortened(why.as_ref(), WHY_SHOWN);
    Verdict { outcome, step: Some(step.to_owned()), code, why: one_line(&why), hint: None }
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
            if let Some(verdict) = failed_pull(plan, step, events) {
                return verdict;
            }
        }
        steps::START => {
            if let Some(verdict) = disk_full(plan, step).or_else(|| no_program(step)) {
                return verdict;
            }
        }
        steps::READY => return never_ready(plan, step, events),
        _ => {}
    }
    if step.timed_out {
        return timed_out(plan, step);
    }
    let how = match (step.exit_status, step.signal) {
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    };
    let why = format!("the step ended with {how}; {}", last_words(step));
    let mut see = format!("the output of step {} is in results.log", step.name);
    if plan.machine.base == Base::Docker && [steps::PULL, steps::START].contains(&step.name.as_str()) {
        see.push_str(", the engine's log in engine.log");
    }
    hint(verdict(Outcome::Failed, &step.name, Code::StepFailed, why), see)
}

/// A step that ran out of space in the guest.
fn disk_full(plan: &Plan, step: &EndedStep) -> Option<Verdict> {
    if !step.tail.to_ascii_lowercase().contains("no space left on device") {
        return None;
    }
    let doing = if step.name == steps::PULL { "pulling the image" } else { "starting the container" };
    // The lean guest has no disk.
    let (why, help) = if plan.machine.base == Base::Lean {
        let memory = plan.machine.memory_mib;
        (
            format!(
                "no space left on device while {doing}: the lean guest's root file system is in its memory of {memory} MiB"
            ),
            format!("give it more memory with --memory {}, or use --base docker, which has a disk", memory * 2),
        )
    } else {
        let why = format!("no space left on the guest's disk while {doing}: {}", last_line(&step.tail));
        (why, "make a larger base image: `futon resources build --disk-size 16G`".to_owned())
    };
    Some(hint(verdict(Outcome::Failed, &step.name, Code::GuestDiskFull, why), help))
}

/// A container whose program the runtime did not find or could not execute (crun's messages).
fn no_program(step: &EndedStep) -> Option<Verdict> {
    const REFUSED: [&str; 5] = [
        "executable file `",
        "is not a regular file",
        "but it is not executable",
        "cannot find `",
        "no command specified",
    ];
    let said = last_line(&step.tail);
    if !REFUSED.iter().any(|words| said.contains(words)) {
        return None;
    }
    let why = format!("the container's program cannot be executed: {said}");
    let help = "check the entrypoint and command of the image (`futon images show`) and of the service";
    Some(hint(verdict(Outcome::Failed, &step.name, Code::NotExecutable, why), help))
}

fn failed_pull(plan: &Plan, step: &EndedStep, events: &[Event]) -> Option<Verdict> {
    if let Some(full) = disk_full(plan, step) {
        return Some(full);
    }
    let missing = events.iter().find_map(|e| match &e.kind {
        EventKind::ImageRequested { reference, status: 404, .. } => Some(reference),
        _ => None,
    })?;
    let v =
        verdict(Outcome::Failed, steps::PULL, Code::ImageNotFound, format!("the image {missing} is not in the store"));
    let near = plan.images.iter().find(|image| !image.near.is_empty());
    Some(hint(
        v,
        match near {
            Some(image) => format!("the store has {}; did you mean that?", image.near.join(", ")),
            None => "`futon images list` lists the images; `futon images add` or `futon images build` adds one".into(),
        },
    ))
}

fn never_ready(plan: &Plan, step: &EndedStep, events: &[Event]) -> Verdict {
    let unready = events.iter().rev().find_map(|e| match &e.kind {
        EventKind::Guest { authentic: true, guest: GuestEvent::Unready { reason, waited_ms, .. } } => {
            Some((reason, *waited_ms))
        }
        _ => None,
    });
    if let Some((reason, waited_ms)) = unready {
        let waited = duration(waited_ms);
        let why = match reason {
            Unready::Exited { .. } => format!("the container did not stay up: {} after {waited}", reason.words()),
            _ => format!("the function did not serve within {waited}: {}", reason.words()),
        };
        let outcome = if reason.code() == Code::OutOfMemory { Outcome::Crashed } else { Outcome::Failed };
        return hint(verdict(outcome, steps::READY, reason.code(), why), help_with(plan.machine.base, reason));
    }
    if step.timed_out {
        return timed_out(plan, step);
    }
    let why = format!("the function did not serve: {}", last_line(&step.tail));
    hint(verdict(Outcome::Failed, steps::READY, Code::NeverReady, why), SEE_CONTAINER)
}

/// The hint for a function that does not come up; the guests differ in what they can execute.
fn help_with(base: Base, reason: &Unready) -> String {
    const NO_32_BITS: &str = "the lean guest cannot run 32-bit programs (386), but --base docker can; \
                              or the program is for another architecture, or it is a script without a first line such as #!/bin/sh";
    match reason {
        Unready::Exited { runtime_said: Some(said), .. }
            if base == Base::Lean && said.to_lowercase().contains("exec format error") =>
        {
            NO_32_BITS.to_owned()
        }
        _ => reason.hint(),
    }
}

/// A step whose limit the guest enforced.
fn timed_out(plan: &Plan, step: &EndedStep) -> Verdict {
    let limit = humantime::format_duration(plan.limits.of(&step.name));
    let why = format!("the step did not end within its limit of {limit} (limit {}); {}", step.name, last_words(step));
    let raise = format!("raise it with --limit {}=DURATION if the function needs longer", step.name);
    hint(verdict(Outcome::TimedOut, &step.name, Code::StepTimedOut, why), raise)
}

/// A step's last output, as the end of a sentence.
fn last_words(step: &EndedStep) -> String {
    match last_line(&step.tail) {
        line if line.is_empty() => "it printed nothing".to_owned(),
        line => format!("its last output: {line}"),
    }
}

pub(super) fn failed_call(plan: &Plan, failure: &ClientFailure) -> Verdict {
    let planned = plan.client.as_ref().map_or(0, |c| c.invocations);
    let load = plan.client.as_ref().is_some_and(|c| c.load.is_some());
    let which = match (failure.phase, failure.invocation) {
        _ if load => "load".to_owned(),
        (Phase::Measured, Some(i)) => format!("call {} (invocation {i} of {planned})", failure.call),
        (Phase::Warmup, _) => format!("call {} (warm-up)", failure.call),
        _ => format!("call {} (the greeting)", failure.call),
    };
    if plan.client.as_ref().is_some_and(|client| client.declared.is_some())
        && matches!(failure.kind, ClientFailureKind::WrongReply | ClientFailureKind::RpcError)
    {
        return failed_declared(failure, &which);
    }
    match failure.kind {
        ClientFailureKind::WrongReply => {
            let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "nothing".to_owned(), quote);
            let why =
                format!("{which}: wrong reply: expected {}, got {}", shown(&failure.expected), shown(&failure.got));
            let v = verdict(Outcome::Failed, steps::INVOKE, Code::WrongReply, why);
            hint(v, format!("{RIGHT_CLIENT} --client NAME chooses another"))
        }
        ClientFailureKind::Deadline => {
            let limit = humantime::format_duration(plan.limits.call);
            let why = format!("{which}: no reply within {limit} (limit call)");
            let v = verdict(Outcome::TimedOut, steps::INVOKE, Code::CallTimedOut, why);
            hint(v, format!("{SEE_CONTAINER}; raise the limit with --limit call=DURATION"))
        }
        ClientFailureKind::RpcError => failed_rpc(plan, failure, &which),
        ClientFailureKind::Connect => {
            let why = format!("the client could not connect: {}", failure.message);
            hint(verdict(Outcome::Failed, steps::INVOKE, Code::CallFailed, why), SEE_CONTAINER)
        }
    }
}

/// A declared call whose reply is not as declared: the client's message says everything.
fn failed_declared(failure: &ClientFailure, which: &str) -> Verdict {
    let why = format!("{which}: {}", failure.message);
    let (code, help) = match (failure.kind, failure.status.as_deref()) {
        (ClientFailureKind::WrongReply, _) => (Code::WrongReply, "docs/calls.md explains how replies are compared"),
        (_, Some("UNIMPLEMENTED")) => {
            (Code::Unimplemented, "the function has no such method; are `call` and the port right?")
        }
        _ => (Code::CallFailed, SEE_CONTAINER),
    };
    hint(verdict(Outcome::Failed, steps::INVOKE, code, why), help)
}

const RIGHT_CLIENT: &str = "is it the right client for this image?";

/// A call that ended with a gRPC status.
fn failed_rpc(plan: &Plan, failure: &ClientFailure, which: &str) -> Verdict {
    let status = failure.status.as_deref().unwrap_or("an error");
    // The client's own sentence begins with call and status.
    let message = failure.message.as_str();
    let said = message.split_once(&format!("status {status}: ")).map_or(message, |(_, said)| said);
    let mut why = format!("{which}: {status}: {said}");
    // A server that respects HTTP/2's SETTINGS_MAX_HEADER_LIST_SIZE resets the call, and so does the client's library.
    if said.contains("stream error") {
        why.push_str(" (the call was reset; headers or trailers above 16 KiB, the client's limit, cause that)");
    }
    let (code, help) = match status {
        "UNIMPLEMENTED" => {
            let client = plan
                .client
                .as_ref()
                .map_or_else(String::new, |c| format!(" (client {}, method {})", c.function_name, c.method));
            (Code::Unimplemented, format!("{RIGHT_CLIENT}{client} --client NAME chooses another"))
        }
        "RESOURCE_EXHAUSTED" | "OUT_OF_RANGE" if said.contains("message length too large") => {
            (Code::ReplyTooLarge, "the client accepts replies of up to 4 MiB, the default of gRPC clients".to_owned())
        }
        _ => (Code::CallFailed, SEE_CONTAINER.to_owned()),
    };
    hint(verdict(Outcome::Failed, steps::INVOKE, code, why), help)
}

/// The last non-empty line of a text.
fn last_line(tail: &str) -> String {
    let line = tail.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    line.chars().take(400).collect()
}

/// A reply in quotes, cut where it is long.
fn quote(text: &str) -> String {
    format!("{:?}", shortened(text, REPLY_SHOWN))
}

/// The first `most` characters of a text, with an ellipsis if there were more.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_32_bits_is_told_on_the_guest_that_runs_none() {
        let of = |said: &str| Unready::Exited {
            status: 1,
            oom_killed: false,
            kernel_said: None,
            runtime_said: Some(said.to_owned()),
        };
        let reason = of("exec `/server`: Exec format error");
        assert!(help_with(Base::Lean, &reason).contains("cannot run 32-bit programs (386), but --base docker can"));
        assert_eq!(help_with(Base::Docker, &reason), reason.hint());
        let other = of("exec `/server`: Permission denied");
        assert_eq!(help_with(Base::Lean, &other), other.hint());
    }
}
