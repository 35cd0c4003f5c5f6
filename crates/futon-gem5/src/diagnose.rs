//! Why a gem5 process ended: from its status, its output and the events before. Pure.

use std::path::{Component, Path, PathBuf};

use futon_machine::process::Ended;
use futon_model::{Code, Outcome};

use super::args::Phase;
use super::event::{SimEvent, SimEventKind};

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The guest ended the simulation as it should.
    GuestShutdown,
    /// The checkpoint that ends this phase is written.
    CheckpointWritten,
    /// The guest reset itself: how `panic=-1` ends a kernel panic.
    GuestReset,
    /// Anything else that has a name.
    Failed(Failure),
    /// The process is gone, and nothing says why.
    Died,
}

/// A failure with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) code: Code,
    pub(super) why: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn new(outcome: Outcome, code: Code, why: impl Into<String>, hint: &str) -> Self {
        Self { outcome, code, why: why.into(), hint: (!hint.is_empty()).then(|| hint.to_owned()) }
    }
}

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Process<'a> {
    pub(super) phase: Phase,
    pub(super) ended: Ended,
    pub(super) events: &'a [SimEvent],
    /// The last part of what it printed.
    pub(super) log: &'a str,
    pub(super) outdir: &'a Path,
    /// Whether it started from a checkpoint.
    pub(super) restored: bool,
}

const LOG_HINT: &str = "gem5's output is in gem5.log, its command line in gem5.command, in the phase's folder";

/// Says how a process ended.
pub(super) fn diagnose(p: &Process<'_>) -> Ending {
    let find = |pick: &dyn Fn(&SimEventKind) -> Option<Ending>| p.events.iter().find_map(|e| pick(&e.kind));
    if let Some(ending) = find(&|e| named_by_script(e, p)) {
        return ending;
    }
    let finished = p.events.iter().any(|e| matches!(e.kind, SimEventKind::End { status: 0, .. }));
    if finished && p.ended.status == Some(0) {
        let written = p.events.iter().any(|e| matches!(e.kind, SimEventKind::Checkpoint { .. }));
        return match p.phase {
            Phase::Boot | Phase::Template | Phase::Setup if written => Ending::CheckpointWritten,
            Phase::Template => Ending::Failed(Failure::new(
                Outcome::Infra,
                Code::StagingFailed,
                "gem5 wrote no template for the staged state",
                LOG_HINT,
            )),
            Phase::Boot => Ending::Failed(Failure::new(
                Outcome::Infra,
                Code::NoBoot,
                "the guest ended the simulation without parking",
                "is it futon's lean guest? The console's last lines show how far it came",
            )),
            Phase::Base | Phase::Stage | Phase::Setup | Phase::Evaluate | Phase::Run => Ending::GuestShutdown,
        };
    }
    named_by_gem5(p).unwrap_or(Ending::Died)
}

/// What an event says about the end.
fn named_by_script(event: &SimEventKind, p: &Process<'_>) -> Option<Ending> {
    let failed = |outcome, code, why: String, hint: &str| Some(Ending::Failed(Failure::new(outcome, code, why, hint)));
    match event {
        SimEventKind::Limit { limit, ms } => {
            let why = format!("the limit {limit} was reached after {} s of simulated time", ms / 1000.0);
            let hint = format!("is the guest waiting for something? Raise the limit with --watchdog {limit}=DURATION");
            failed(Outcome::TimedOut, Code::RunTimedOut, why, &hint)
        }
        SimEventKind::Unknown { cause, code } => failed(
            Outcome::Infra,
            Code::UnknownExit,
            format!(
                "gem5 left the simulation for a reason that the configuration script does not know: {cause} (code {code})"
            ),
            "docs/gem5.md lists the known ones; your own configuration script can handle more",
        ),
        SimEventKind::CheckpointFailed { why } => {
            let why = format!("the checkpoint is incomplete: {why}");
            failed(Outcome::Infra, Code::HostDiskFull, why, "free disk space for the run's folder and the resources")
        }
        SimEventKind::End { status, why } if *status != 0 => match point(p.events) {
            Some(code) => failed(
                Outcome::Failed,
                Code::StepFailed,
                format!("the guest reported failure {code} (m5 fail {code})"),
                "see results.log and the console; docs/gem5.md lists the codes that are not failures",
            ),
            None => {
                failed(Outcome::Infra, Code::HostFailed, format!("the configuration script ended: {why}"), LOG_HINT)
            }
        },
        _ => None,
    }
}

/// The last point that the guest reported.
fn point(events: &[SimEvent]) -> Option<i32> {
    events.iter().rev().find_map(|e| match e.kind {
        SimEventKind::Fail { code } => Some(code),
        _ => None,
    })
}

/// Why it ended, from gem5's own last output.
fn named_by_gem5(p: &Process<'_>) -> Option<Ending> {
    let failed = |outcome, code, why: String, hint: &str| Some(Ending::Failed(Failure::new(outcome, code, why, hint)));
    let cry =
        p.log.lines().rev().find(|l| l.contains(": panic: ") || l.contains(": fatal: ") || l.starts_with("fatal: "));
    let text = cry.map_or("", |l| l.split_once(": panic: ").or_else(|| l.split_once("fatal: ")).map_or(l, |(_, t)| t));
    // "panic condition !file.is_open() occurred: WORDS": what gem5's panic_if and fatal_if make of it (src/base/logging.hh).
    let words = text.split_once(" occurred: ").filter(|(condition, _)| condition.contains(" condition "));
    let text = words.map_or(text, |(_, words)| words).trim();
    if text.contains("\"System reset\"") {
        return Some(Ending::GuestReset);
    }
    if let Some(path) = text.strip_prefix("Failed to open \"").and_then(|t| t.split_once('"')).map(|(path, _)| path) {
        if outside(Path::new(path), p.outdir) {
            return failed(
                Outcome::Crashed,
                Code::ForbiddenWrite,
                format!("the guest tried to write {path} on the host; gem5 may only write below its run folder"),
                "m5 writefile takes the host's file name as its second argument: a plain name, no folders",
            );
        }
        return failed(Outcome::Infra, Code::HostFailed, format!("gem5 cannot write {path}"), LOG_HINT);
    }
    if text.contains("writefile") {
        let why = format!("gem5 could not write a file for the guest: {text}");
        return failed(Outcome::Infra, Code::HostDiskFull, why, "free disk space for the run's folder");
    }
    let checkpoint = text.contains("physical memory checkpoint") || text.contains("checkpoint file");
    let not_read = if checkpoint {
        !text.contains("Write failed") && !text.contains("Close failed")
    } else {
        ["unserialize", "Can't find", "TLB"].iter().any(|word| text.contains(word))
    };
    if p.restored && not_read {
        let why = format!("gem5 cannot restore the checkpoint: {text}");
        return failed(
            Outcome::Infra,
            Code::BadResource,
            why,
            "remove it from the checkpoints; the next run makes it again",
        );
    }
    if checkpoint {
        let why = format!("the checkpoint could not be written: {text}");
        return failed(
            Outcome::Infra,
            Code::HostDiskFull,
            why,
            "free disk space for the run's folder and the resources",
        );
    }
    if text.starts_with("could not open file") {
        let why = format!("the guest asked for its run script and gem5 could not read it: {text}");
        return failed(Outcome::Infra, Code::NoRunScript, why, "was the payload removed during the run?");
    }
    if !text.is_empty() {
        return failed(Outcome::Infra, Code::MachineDied, format!("gem5 ended with an error: {text}"), LOG_HINT);
    }
    let script_said = p.log.lines().rev().map(str::trim).find(|l| !l.is_empty() && !l.starts_with("futon-event"));
    if p.log.contains("Traceback (most recent call last)") || p.ended.status == Some(2) || p.log.contains("error: ") {
        let why = format!("the configuration script failed: {}", script_said.unwrap_or("without a word"));
        return failed(Outcome::Infra, Code::MachineNotStarted, why, LOG_HINT);
    }
    None
}

/// Whether a path leads out of a folder, by its letters: `..` is followed, links are not.
fn outside(path: &Path, folder: &Path) -> bool {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    !plain.starts_with(folder)
}

#[cfg(test)]
mod tests;
