//! Steps and their times, read from the events.

use futon_model::{Cursor, Event, EventKind, GuestEvent, Plan, ScriptKind, StepReport, steps};

/// What the events say about the steps of a run.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Steps for the report.
    pub(super) steps: Vec<StepReport>,
    /// Ended steps as the guest reported them, in order.
    pub(super) ended: Vec<EndedStep>,
    /// The guest's final report.
    pub(super) finish: Option<i32>,
    /// The step the run was in when it ended.
    pub(super) last: String,
}

/// A step's end, reported with the token.
#[derive(Debug, Clone)]
pub(super) struct EndedStep {
    pub(super) name: String,
    pub(super) exit_status: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) timed_out: bool,
    pub(super) tail: String,
}

impl EndedStep {
    pub(super) fn is_ok(&self) -> bool {
        self.exit_status == Some(0) && self.signal.is_none() && !self.timed_out
    }
}

/// The step a run is in after `events`: for "crashed in step …".
fn step_at(plan: &Plan, events: &[Event]) -> String {
    let mut cursor = Cursor::new(plan);
    for event in events {
        cursor.observe(&event.kind);
    }
    cursor.step().to_owned()
}

/// Reads the timeline.
pub(super) fn timeline(plan: &Plan, events: &[Event]) -> Timeline {
    let mut line = Timeline { last: step_at(plan, events), ..Timeline::default() };
    let at = |found: &dyn Fn(&EventKind) -> bool| events.iter().find(|e| found(&e.kind)).map(|e| e.at_ms);
    let started = at(&|e| matches!(e, EventKind::MachineStarted { .. }));
    let booted = at(&|e| matches!(e, EventKind::RunScriptRequested { .. }));
    if let Some(started) = started {
        line.steps.push(host_step(steps::BOOT, booted.map(|t| t.saturating_sub(started))));
    }
    let mut finished = None;
    let mut quiet_since = booted;
    for event in events {
        let EventKind::Guest { authentic: true, guest } = &event.kind else { continue };
        match guest {
            GuestEvent::StepStarted { name } => {
                line.steps.push(StepReport { name: name.clone(), duration_ms: None, exit_status: None, cached: false });
            }
            GuestEvent::StepEnded { name, exit_status, signal, timed_out, duration_ms, tail } => {
                quiet_since = Some(event.at_ms);
                let report = StepReport {
                    name: name.clone(),
                    duration_ms: Some(*duration_ms),
                    exit_status: *exit_status,
                    cached: false,
                };
                match line.steps.iter_mut().rev().find(|s| s.name == *name && s.duration_ms.is_none()) {
                    Some(open) => *open = report,
                    None => line.steps.push(report),
                }
                line.ended.push(EndedStep {
                    name: name.clone(),
                    exit_status: *exit_status,
                    signal: *signal,
                    timed_out: *timed_out,
                    tail: tail.clone(),
                });
            }
            GuestEvent::Finish { status } => {
                // If the end was reported several times, a bad report counts.
                line.finish = line.finish.filter(|before| *before != 0).or(Some(*status));
                finished = Some(event.at_ms);
            }
            _ => {}
        }
    }
    let uploaded = events.iter().rev().find_map(|e| match &e.kind {
        EventKind::Uploaded { name, .. } if is_results_log(name) => Some(e.at_ms),
        _ => None,
    });
    if let Some(uploaded) = uploaded {
        // Nothing is known about a user's script between its fetch and its results log.
        let name = if plan.script == ScriptKind::Foreign { steps::SCRIPT } else { steps::UPLOAD };
        line.steps.push(host_step(name, quiet_since.map(|t| uploaded.saturating_sub(t))));
    }
    let ended = at(&|e| matches!(e, EventKind::MachineExited { .. }));
    if let Some(from) = finished.or(uploaded) {
        line.steps.push(host_step(steps::SHUTDOWN, ended.map(|t| t.saturating_sub(from))));
    }
    line
}

fn host_step(name: &str, duration_ms: Option<u64>) -> StepReport {
    StepReport { name: name.to_owned(), duration_ms, exit_status: duration_ms.map(|_| 0), cached: false }
}

/// The seed's name for the results log, and the name in vSwarm-μ's code.
pub(super) fn is_results_log(name: &str) -> bool {
    name == "results.log" || name == "test.log"
}
