//! Which step a run is in: read from its events in one place, for the watch over its limits, the verdict and the progress that is shown.

use crate::{EventKind, GuestEvent, Plan, ScriptKind, steps};

/// Follows a run from step to step. What came without the run's token moves nothing, but where the script knows no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    script: ScriptKind,
    planned: Vec<String>,
    step: String,
}

/// How an event moved a run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The guest has futon's run script, whose first step is about to begin.
    Fetched,
    /// The guest has the user's run script.
    Script,
    /// A step began.
    Began,
    /// A step ended; the next one is expected.
    Ended,
    /// The run script made its final report.
    Finished,
}

impl Cursor {
    /// A run that has not begun: in `boot`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let planned = plan.steps.iter().map(|step| step.name.clone()).collect();
        Self { script: plan.script, planned, step: steps::BOOT.to_owned() }
    }

    /// The step the run is in, or waits for.
    #[must_use]
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Takes note of an event, and says whether and how it moved the run on.
    pub fn observe(&mut self, event: &EventKind) -> Option<Moved> {
        let own = self.script == ScriptKind::Own;
        let (moved, step) = match event {
            EventKind::RunScriptRequested { status: 200, authentic: true } if own => {
                (Moved::Fetched, steps::FETCH.to_owned())
            }
            // Only the first request can be that of the guest's service.
            EventKind::RunScriptRequested { status: 200, .. } if !own && self.step == steps::BOOT => {
                (Moved::Script, steps::SCRIPT.to_owned())
            }
            EventKind::Guest { authentic: true, guest } if own => match guest {
                GuestEvent::StepStarted { name } => (Moved::Began, name.clone()),
                GuestEvent::StepEnded { name, .. } => (Moved::Ended, self.after(name)),
                GuestEvent::Finish { .. } => (Moved::Finished, steps::SHUTDOWN.to_owned()),
                _ => return None,
            },
            _ => return None,
        };
        self.step = step;
        Some(moved)
    }

    /// The planned step after `name`; the upload after the last one and after one that is not planned.
    fn after(&self, name: &str) -> String {
        let at = self.planned.iter().position(|planned| planned == name);
        at.and_then(|at| self.planned.get(at + 1)).cloned().unwrap_or_else(|| steps::UPLOAD.to_owned())
    }
}
