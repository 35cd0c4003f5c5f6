//! The judgement. A run passes only by reaching the last line of [`decide`].

use futon_model::{
    Alarm, Base, Code, Event, EventKind, GuestEvent, InvocationReport, Judgement, MachineKind, OOPS_OF_TRANSLATOR,
    Outcome, Plan, PlannedImage, Proof, ScriptKind, ShutdownReason, Verdict, steps,
};

use super::companions::{companion_failed, failed_beside, with_failed_companion};
use super::explain::{failed_step, hint, verdict};
use super::oddities::oddities;
use super::replies::replies_verified;
use super::steps::{Timeline, is_results_log, timeline};
use super::witnesses::Witnesses;

/// The closing line of a results log that reports success, as in the seed.
const SUCCESS_LINE: &str = "SUCCESS: All commands completed successfully";

/// Judges a run.
#[must_use]
pub fn judge(witnesses: &Witnesses<'_>) -> Judgement {
    let timeline = timeline(witnesses.plan, witnesses.events);
    let decided = decide(witnesses, &timeline);
    let mut remarks = oddities(witnesses, decided.as_ref());
    remarks.extend(failed_beside(witnesses, decided.as_ref()));
    let reached_guest =
        witnesses.events.iter().any(|e| matches!(e.kind, EventKind::RunScriptRequested { status: 200, .. }));
    let proof = match (witnesses.plan.script, reached_guest) {
        (_, false) => Proof::None,
        (ScriptKind::Own, true) if witnesses.plan.powers.is_empty() => Proof::Full,
        (_, true) => Proof::Log,
    };
    Judgement {
        verdict: decided.unwrap_or_else(|| Verdict {
            outcome: Outcome::Passed,
            step: None,
            code: Code::AllWitnessesAgree,
            why: match witnesses.plan.script {
                ScriptKind::Own => "all witnesses agree".into(),
                ScriptKind::Foreign => {
                    "the results log ends with success, the guest shut down, the console is clean".into()
                }
            },
            hint: None,
        }),
        proof,
        steps: timeline.steps,
        invocations: witnesses.client.map(|client| InvocationReport {
            planned: client.planned,
            verified: client.verified,
            failed: client.failed,
            latency_ms: client.latency_ms,
            latency_is_performance: witnesses.native_speed,
            first_failure: client.first_failure.clone(),
        }),
        remarks,
    }
}

/// Why a run did not pass; nothing for a pass. The most serious and most certain causes come first.
fn decide(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    interrupted(w, timeline)
        .or_else(|| host_failed(w))
        .or_else(|| upload_failed(w))
        .or_else(|| kernel_trouble(w))
        .or_else(|| machine_failed(w, timeline))
        .or_else(|| super::ports::port_taken(w))
        .or_else(|| no_run_script(w))
        .or_else(|| limit_struck(w, timeline))
        .or_else(|| machine_died(w, timeline))
        .or_else(|| guest_stopped_early(w, timeline))
        .or_else(|| match w.plan.script {
            ScriptKind::Own => own_script(w, timeline),
            ScriptKind::Foreign => None,
        })
        .or_else(|| results_log(w))
        .or_else(|| clean_shutdown(w, timeline))
}

fn find<'a, T>(w: &Witnesses<'a>, pick: impl FnMut(&'a EventKind) -> Option<T>) -> Option<T> {
    w.events.iter().map(|e| &e.kind).find_map(pick)
}

fn interrupted(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    find(w, |e| matches!(e, EventKind::Interrupted).then_some(()))?;
    Some(verdict(Outcome::NotRun, &timeline.last, Code::Interrupted, "interrupted before the run ended"))
}

fn host_failed(w: &Witnesses<'_>) -> Option<Verdict> {
    let (step, why, help) = find(w, |e| match e {
        EventKind::HostFailed { step, why, hint } => Some((step, why, hint)),
        _ => None,
    })?;
    let started = find(w, |e| matches!(e, EventKind::MachineStarted { .. }).then_some(())).is_some();
    let code = if started { Code::HostFailed } else { Code::MachineNotStarted };
    let v = verdict(Outcome::Infra, step, code, why);
    Some(match help {
        Some(help) => hint(v, help),
        None => v,
    })
}

fn upload_failed(w: &Witnesses<'_>) -> Option<Verdict> {
    let (name, status, why) = find(w, |e| match e {
        EventKind::UploadFailed { name, status, why, authentic }
            if *authentic || w.plan.script == ScriptKind::Foreign =>
        {
            Some((name, *status, why))
        }
        _ => None,
    })?;
    // A retry may have succeeded.
    let arrived = find(w, |e| matches!(e, EventKind::Uploaded { name: n, .. } if n == name).then_some(())).is_some();
    if arrived {
        return None;
    }
    let (code, help) = if status == 507 {
        (Code::HostDiskFull, "free disk space for the working directory, or raise the upload limits")
    } else {
        (Code::HostFailed, "all requests are in events.jsonl")
    };
    Some(hint(
        verdict(
            Outcome::Infra,
            steps::UPLOAD,
            code,
            format!("the upload of {name} failed with status {status}: {why}"),
        ),
        help,
    ))
}

fn kernel_trouble(w: &Witnesses<'_>) -> Option<Verdict> {
    let (at, alarm, line) = w.events.iter().enumerate().find_map(|(at, e)| match &e.kind {
        EventKind::ConsoleAlarm { alarm, line } => Some((at, *alarm, line)),
        _ => None,
    })?;
    // The console is read a little later than the guest's reports: a step that failed just before the kernel's message failed because of it.
    let before = timeline(w.plan, &w.events[..at]);
    let step = before.ended.into_iter().find(|step| !step.is_ok()).map_or(before.last, |step| step.name);
    let (code, help) = match alarm {
        Alarm::KernelPanic => (Code::GuestPanic, "the kernel's earlier messages are in console.log"),
        Alarm::KernelOops if line.contains(OOPS_OF_TRANSLATOR) => (
            Code::GuestOops,
            "the whole report is in console.log; without KVM this can be a bug of QEMU: try again, or give the machine one processor with --vcpus 1",
        ),
        Alarm::KernelOops => (Code::GuestOops, "the whole report is in console.log"),
        // Linux, mm/oom_kill.c: the line's first words show whether a control group's limit was reached.
        Alarm::OutOfMemoryKill if line.contains("Memory cgroup out of memory") => {
            let help = match w.plan.machine.base {
                Base::Lean => {
                    "the container reached its own limit: raise mem_limit of the service (in the lean guest the files it writes count, too)"
                }
                Base::Docker => "the container reached its own limit: raise mem_limit of the service",
            };
            (Code::OutOfMemory, help)
        }
        Alarm::OutOfMemoryKill => (Code::OutOfMemory, "give the machine more memory with --memory MIB"),
    };
    Some(hint(verdict(Outcome::Crashed, &step, code, line.trim()), help))
}

/// The machine itself reports what went wrong: a simulator knows more than an exit status.
fn machine_failed(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    let (outcome, code, why, help) = find(w, |e| match e {
        EventKind::MachineFailed { outcome, code, why, hint } => Some((*outcome, *code, why, hint)),
        _ => None,
    })?;
    let v = verdict(outcome, &timeline.last, code, why);
    Some(match help {
        Some(help) => hint(v, help),
        None => v,
    })
}

fn no_run_script(w: &Witnesses<'_>) -> Option<Verdict> {
    let asked = || {
        w.events.iter().filter_map(|e| match e.kind {
            EventKind::RunScriptRequested { status, authentic } => Some((status, authentic)),
            _ => None,
        })
    };
    // The first answer counts, and any failed answer to the run's own guest.
    let (status, _) = asked().find(|(status, authentic)| *authentic && *status != 200).or_else(|| asked().next())?;
    if status == 200 {
        return None;
    }
    let v = verdict(
        Outcome::Infra,
        steps::FETCH,
        Code::NoRunScript,
        format!("the guest asked for run.sh and got status {status}"),
    );
    Some(hint(v, "`futon build` puts run.sh into the working directory"))
}

fn limit_struck(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    let (limit, after_ms, last_seen) = find(w, |e| match e {
        EventKind::LimitStruck { limit, after_ms, last_seen } => Some((limit, *after_ms, last_seen)),
        _ => None,
    })?;
    let limit_is = futon_common::text::duration(after_ms);
    let (step, code, what) = match limit.as_str() {
        steps::BOOT => (steps::BOOT, Code::NoBoot, "the guest did not ask for its run script"),
        steps::RUN => (timeline.last.as_str(), Code::RunTimedOut, "the run did not end"),
        // Also reached between two steps, and while the machine shuts down.
        steps::UPLOAD | steps::SHUTDOWN => {
            (timeline.last.as_str(), Code::StepTimedOut, "the guest reported nothing more")
        }
        other => (other, Code::StepTimedOut, "the step did not end"),
    };
    let help = match limit.as_str() {
        steps::BOOT => {
            "see how far the boot came in the console's last lines: wrong root device, missing driver, no gem5.service? \
                        Raise the limit with --limit boot=DURATION"
                .to_owned()
        }
        other => format!("raise the limit with --limit {other}=DURATION"),
    };
    let why = format!("{what} within {limit_is} (limit {limit}); last seen: {last_seen}");
    Some(hint(verdict(Outcome::TimedOut, step, code, why), help))
}

/// Why the machine stopped: the first report that is not the guest's own power-off, if there are several.
fn shutdown_reason(w: &Witnesses<'_>) -> Option<ShutdownReason> {
    let reasons = || {
        w.events.iter().filter_map(|e| match e.kind {
            EventKind::MachineShutdown { reason } => Some(reason),
            _ => None,
        })
    };
    reasons().find(|reason| *reason != ShutdownReason::GuestShutdown).or_else(|| reasons().next())
}

fn machine_died(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    let exits = || {
        w.events.iter().filter_map(|e| match &e.kind {
            EventKind::MachineExited { status, signal, stderr } => Some((*status, *signal, stderr)),
            _ => None,
        })
    };
    // If there are several reports, the bad one counts.
    let (status, signal, stderr) = exits().find(|(_, signal, _)| signal.is_some()).or_else(|| exits().next())?;
    let by_the_guest = shutdown_reason(w).is_some_and(|r| r != ShutdownReason::Host);
    if by_the_guest && signal.is_none() {
        return None;
    }
    let how = match (signal, status) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (None, Some(status)) => format!("exited with status {status}"),
        (None, None) => "is gone".to_owned(),
    };
    let said = stderr.lines().last().map(|l| format!("; its last output: {l}")).unwrap_or_default();
    let why = format!("the machine's process {how} before the guest shut down{said}");
    let see = match w.plan.machine.kind {
        MachineKind::Qemu => "QEMU's messages are in qemu.log, its command line in qemu.command",
        MachineKind::Gem5 => "gem5/ has a folder for each gem5 process, with its log and command line",
        MachineKind::Fake => "all events are in events.jsonl",
    };
    Some(hint(verdict(Outcome::Infra, &timeline.last, Code::MachineDied, why), see))
}

fn guest_stopped_early(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    let reason = shutdown_reason(w)?;
    let log_arrived = find(w, |e| matches!(e, EventKind::Uploaded { name, .. } if is_results_log(name)).then_some(()));
    let done = match w.plan.script {
        ScriptKind::Own => timeline.finish.is_some(),
        ScriptKind::Foreign => log_arrived.is_some(),
    };
    let (code, how) = match reason {
        ShutdownReason::GuestReset => (Code::GuestReset, "reset itself"),
        ShutdownReason::GuestPanic => (Code::GuestPanic, "panicked"),
        ShutdownReason::GuestShutdown if !done => {
            (Code::GuestPoweredOff, "powered off before its run script had finished")
        }
        _ => return None,
    };
    let v = verdict(Outcome::Crashed, &timeline.last, code, format!("the guest {how}"));
    Some(hint(v, "its last messages are in console.log"))
}

/// The checks that only futon's own run script can satisfy.
fn own_script(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    if let Some(bad) = timeline.ended.iter().find(|s| !s.is_ok()) {
        return Some(with_failed_companion(failed_step(w.plan, bad, w.events, w.client), w.events));
    }
    token_given_once(w)
        .or_else(|| steps_in_order(w.plan, timeline))
        .or_else(|| in_order_to_the_end(w, timeline))
        .or_else(|| right_image(w))
        .or_else(|| replies_verified(w))
        .or_else(|| companion_failed(w))
        .or_else(|| finished_well(timeline))
}

/// The run script, and with it the token, went to one reader only: the guest's service.
fn token_given_once(w: &Witnesses<'_>) -> Option<Verdict> {
    let given = w.events.iter().filter(|e| matches!(e.kind, EventKind::RunScriptRequested { authentic: true, .. }));
    let why = match given.count() {
        1 => return None,
        0 => "there is no sign that the guest fetched its run script".to_owned(),
        count => format!("the run's token was handed out {count} times"),
    };
    Some(verdict(Outcome::Failed, steps::FETCH, Code::StepMissing, why))
}

/// The steps, the script's final report and the machine's shutdown must come in this order.
fn in_order_to_the_end(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    let place = |event: &Event| match &event.kind {
        EventKind::RunScriptRequested { authentic: true, .. } => Some(0),
        EventKind::Guest { authentic: true, guest: GuestEvent::StepEnded { .. } } => Some(1),
        EventKind::Guest { authentic: true, guest: GuestEvent::Finish { .. } } => Some(2),
        EventKind::MachineShutdown { .. } => Some(3),
        EventKind::MachineExited { .. } => Some(4),
        _ => None,
    };
    if w.events.iter().filter_map(place).is_sorted() {
        return None;
    }
    let why = "the guest reported events after its end, or after the machine shut down";
    Some(verdict(Outcome::Failed, &timeline.last, Code::StepMissing, why))
}

fn steps_in_order(plan: &Plan, timeline: &Timeline) -> Option<Verdict> {
    let ended: Vec<&str> = timeline.ended.iter().map(|s| s.name.as_str()).collect();
    let planned: Vec<&str> = plan.steps.iter().map(|s| s.name.as_str()).collect();
    if ended == planned {
        return None;
    }
    let step =
        planned.iter().enumerate().find(|(i, name)| ended.get(*i) != Some(*name)).map_or(steps::RUN, |(_, n)| *n);
    let why = format!("planned steps: {}; reported: {}", planned.join(", "), ended.join(", "));
    Some(hint(
        verdict(Outcome::Failed, step, Code::StepMissing, why),
        "a run script must report each planned step once, in order",
    ))
}

fn right_image(w: &Witnesses<'_>) -> Option<Verdict> {
    let planned = w.plan.images.first()?;
    let container = w.plan.client.as_ref().map(|client| client.container.as_str());
    let reported: Vec<_> =
        w.events
            .iter()
            .filter_map(|e| match &e.kind {
                EventKind::Guest {
                    authentic: true,
                    guest: GuestEvent::Container { name, image_id, repo_digests, .. },
                } if container.is_none_or(|container| container == name) => Some((image_id, repo_digests)),
                _ => None,
            })
            .collect();
    if reported.is_empty() {
        return Some(verdict(
            Outcome::Failed,
            steps::START,
            Code::WrongImage,
            "the guest did not report which image ran",
        ));
    }
    reported.into_iter().find_map(|(id, repo_digests)| wrong_image(planned, id, repo_digests))
}

fn wrong_image(planned: &PlannedImage, id: &str, repo_digests: &[String]) -> Option<Verdict> {
    let pulled_right = repo_digests.is_empty()
        || repo_digests.iter().any(|d| d.rsplit_once('@').is_some_and(|(_, digest)| planned.is(digest)));
    if planned.is(id) && pulled_right {
        return None;
    }
    let why = format!(
        "planned: {} with configuration {}; the engine ran {id} ({})",
        planned.reference,
        planned.config.as_ref().map_or("none", |d| d.as_str()),
        repo_digests.join(", ")
    );
    Some(hint(
        verdict(Outcome::Failed, steps::START, Code::WrongImage, why),
        "if the image in the store was replaced after `futon build`, build again",
    ))
}

fn finished_well(timeline: &Timeline) -> Option<Verdict> {
    match timeline.finish {
        Some(0) => None,
        Some(status) => Some(verdict(
            Outcome::Failed,
            &timeline.last,
            Code::StepFailed,
            format!("the run script finished with status {status}"),
        )),
        None => Some(verdict(Outcome::Failed, &timeline.last, Code::StepMissing, "the run script did not finish")),
    }
}

fn results_log(w: &Witnesses<'_>) -> Option<Verdict> {
    if w.results_logs.is_empty() {
        let v = verdict(Outcome::Failed, steps::UPLOAD, Code::NoResultsLog, "this run's results log did not arrive");
        return Some(hint(v, "a run script must upload results.log before it shuts down"));
    }
    // If there are several logs, none may report a failure.
    let bad = w.results_logs.iter().find_map(|log| {
        let last = log.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or("");
        (last != SUCCESS_LINE).then_some(last)
    })?;
    let v = verdict(Outcome::Failed, steps::UPLOAD, Code::LogSaysFailed, format!("the results log ends with {bad:?}"));
    Some(hint(v, format!("after a success it ends with the line {SUCCESS_LINE:?}")))
}

fn clean_shutdown(w: &Witnesses<'_>, timeline: &Timeline) -> Option<Verdict> {
    let why = if shutdown_reason(w) != Some(ShutdownReason::GuestShutdown) {
        "there is no sign that the guest shut the machine down"
    } else if find(w, |e| matches!(e, EventKind::MachineExited { .. }).then_some(())).is_none() {
        "there is no sign that the machine ended"
    } else {
        return None;
    };
    Some(verdict(Outcome::Failed, &timeline.last, Code::StepMissing, why))
}

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
