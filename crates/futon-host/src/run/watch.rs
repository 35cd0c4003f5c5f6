//! Which step a run is in, and when the wait for its end is over. Pure: the engine tells it what happened.

use std::time::{Duration, Instant};

use futon_model::{Alarm, EventKind, GuestEvent, Plan, ScriptKind, steps};

/// The guest enforces a step's limit itself and knows more when it does; the host's limit is this much longer.
const GUEST_FIRST: Duration = Duration::from_secs(15);

/// After a panic the machine resets and ends by itself (panic=-1); if not, it is ended after this.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// What the engine is to do after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on.
    Wait,
    /// End the machine: nothing more can come of this run.
    EndMachine,
    /// The machine is gone.
    Gone,
}

/// Where a run stands.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    plan: &'a Plan,
    step: String,
    begin: Instant,
    limit: Duration,
    /// Names the limit when it is not the step's own.
    limit_name: Option<&'static str>,
    run_ends: Instant,
    last_seen: String,
}

/// A limit that has struck or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) limit: String,
    pub(super) length: Duration,
}

impl<'a> Watch<'a> {
    pub(super) fn new(plan: &'a Plan, now: Instant) -> Self {
        Self {
            plan,
            step: steps::BOOT.into(),
            begin: now,
            limit: plan.limits.boot,
            limit_name: None,
            run_ends: now + plan.limits.run,
            last_seen: "the machine was started".into(),
        }
    }

    pub(super) fn last_seen(&self) -> &str {
        &self.last_seen
    }

    /// The next limit to strike.
    pub(super) fn deadline(&self) -> Deadline {
        let at = self.begin + self.limit;
        if self.run_ends < at {
            return Deadline { at: self.run_ends, limit: steps::RUN.into(), length: self.plan.limits.run };
        }
        let limit = self.limit_name.map_or_else(|| self.step.clone(), str::to_owned);
        Deadline { at, limit, length: self.limit }
    }

    fn enter(&mut self, step: &str, limit: Duration, now: Instant) {
        step.clone_into(&mut self.step);
        self.limit = limit;
        self.limit_name = None;
        self.begin = now;
    }

    /// Takes note of an event. What came without the token changes nothing.
    pub(super) fn observe(&mut self, event: &EventKind, now: Instant) -> Next {
        let limits = &self.plan.limits;
        match event {
            EventKind::MachineExited { .. } => return Next::Gone,
            EventKind::RunScriptRequested { status: 200, authentic } => match self.plan.script {
                ScriptKind::Own if *authentic => {
                    self.last_seen = "the guest fetched its run script".into();
                    self.enter(steps::FETCH, limits.fetch + GUEST_FIRST, now);
                }
                // Only the first can be the service's.
                ScriptKind::Foreign if self.step == steps::BOOT => {
                    self.last_seen = "the guest fetched its run script".into();
                    self.enter(steps::RUN, limits.run, now);
                }
                _ => {}
            },
            // A guest that does not get its script ends its service; nothing will follow.
            EventKind::RunScriptRequested { status: 400.., .. } => return Next::EndMachine,
            EventKind::Guest { authentic: true, guest } if self.plan.script == ScriptKind::Own => {
                self.observe_guest(guest, now);
            }
            EventKind::Uploaded { name, authentic: true, .. } => self.last_seen = format!("{name} arrived"),
            EventKind::ConsoleAlarm { alarm: Alarm::KernelPanic, .. } => {
                self.last_seen = "the guest's kernel panicked".into();
                self.limit = AFTER_PANIC;
                self.begin = now;
            }
            EventKind::MachineShutdown { .. } => {
                self.last_seen = "the machine was shutting down".into();
                self.begin = now;
                self.limit = limits.shutdown;
                self.limit_name = Some(steps::SHUTDOWN);
            }
            _ => {}
        }
        Next::Wait
    }

    fn observe_guest(&mut self, event: &GuestEvent, now: Instant) {
        let limits = &self.plan.limits;
        match event {
            GuestEvent::StepStarted { name } => {
                self.last_seen = format!("step {name} began");
                self.enter(name, limits.of(name) + GUEST_FIRST, now);
            }
            GuestEvent::StepEnded { name, exit_status, .. } => {
                self.last_seen = format!("step {name} ended with status {exit_status:?}");
                let next = next_step(self.plan, name);
                self.enter(&next, limits.upload, now);
            }
            GuestEvent::Finish { .. } => {
                self.last_seen = "the run script finished".into();
                self.enter(steps::SHUTDOWN, limits.shutdown, now);
            }
            _ => {}
        }
    }
}

/// The planned step after `name`; the upload after the last one and after one that is not planned.
pub(crate) fn next_step(plan: &Plan, name: &str) -> String {
    let at = plan.steps.iter().position(|s| s.name == name);
    at.and_then(|at| plan.steps.get(at + 1)).map_or_else(|| steps::UPLOAD.to_owned(), |s| s.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{ended, plan, started};

    #[test]
    fn each_step_has_its_own_limit() {
        let (plan, begin) = (plan(), Instant::now());
        let mut watch = Watch::new(&plan, begin);
        assert_eq!(
            watch.deadline(),
            Deadline { at: begin + plan.limits.boot, limit: "boot".into(), length: plan.limits.boot }
        );
        let later = begin + Duration::from_secs(10);
        watch.observe(&EventKind::RunScriptRequested { status: 200, authentic: true }, later);
        assert_eq!(watch.deadline().limit, "fetch");
        watch.observe(&started("invoke"), later);
        assert_eq!(watch.deadline().at, later + plan.limits.invoke + GUEST_FIRST);
        watch.observe(&ended("invoke", 0), later);
        assert_eq!(watch.deadline().limit, "log");
    }

    #[test]
    fn the_whole_run_has_one_too() {
        let (mut plan, begin) = (plan(), Instant::now());
        plan.limits.run = Duration::from_secs(1);
        let watch = Watch::new(&plan, begin);
        assert_eq!(
            watch.deadline(),
            Deadline { at: begin + plan.limits.run, limit: "run".into(), length: plan.limits.run }
        );
    }

    #[test]
    fn forged_events_do_not_move_it() {
        let (plan, begin) = (plan(), Instant::now());
        let mut watch = Watch::new(&plan, begin);
        let forged = EventKind::Guest { authentic: false, guest: GuestEvent::Finish { status: 0 } };
        watch.observe(&forged, begin);
        watch.observe(&EventKind::RunScriptRequested { status: 200, authentic: false }, begin);
        assert_eq!(watch.deadline().limit, "boot");
    }

    #[test]
    fn a_missing_script_ends_the_wait() {
        let plan = plan();
        let mut watch = Watch::new(&plan, Instant::now());
        let event = EventKind::RunScriptRequested { status: 404, authentic: false };
        assert_eq!(watch.observe(&event, Instant::now()), Next::EndMachine);
    }
}
