//! Which step a run is in, and when the wait for its end is over. Pure: it is fed with events.

use std::time::{Duration, Instant};

use futon_model::{Alarm, Cursor, EventKind, GuestEvent, Moved, Plan, steps};

/// After a panic the machine resets and so ends (panic=-1); if it does not, it is ended after this time.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// What to do after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Continue.
    Wait,
    /// End the machine: nothing more can come of this run.
    EndMachine,
    /// The machine has ended.
    Gone,
}

/// Where a run stands.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    plan: &'a Plan,
    cursor: Cursor,
    /// How much longer the host's limits are than the guest's.
    slack: Duration,
    begin: Instant,
    limit: Duration,
    /// The limit's name if it is not the step's own.
    limit_name: Option<&'static str>,
    run_ends: Instant,
    last_seen: String,
}

/// A limit that was reached or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) limit: String,
    pub(super) length: Duration,
}

impl<'a> Watch<'a> {
    /// `slack`: how much longer the host's limits are; the guest enforces its steps' limits itself, and then knows more.
    pub(super) fn new(plan: &'a Plan, slack: Duration, now: Instant) -> Self {
        Self {
            plan,
            cursor: Cursor::new(plan),
            slack,
            begin: now,
            limit: plan.limits.boot,
            limit_name: None,
            run_ends: now + plan.limits.run,
            last_seen: "the machine was started".into(),
        }
    }

    /// The run's limit counts from here: starting the machine takes time, too.
    pub(super) fn of_run_since(self, begun: Instant) -> Self {
        Self { run_ends: begun + self.plan.limits.run, ..self }
    }

    pub(super) fn last_seen(&self) -> &str {
        &self.last_seen
    }

    /// The next limit to be reached.
    pub(super) fn deadline(&self) -> Deadline {
        let at = self.begin + self.limit;
        if self.run_ends < at {
            return Deadline { at: self.run_ends, limit: steps::RUN.into(), length: self.plan.limits.run };
        }
        let limit = self.limit_name.unwrap_or_else(|| self.cursor.step()).to_owned();
        Deadline { at, limit, length: self.limit }
    }

    fn enter(&mut self, limit: Duration, now: Instant) {
        self.limit = limit;
        self.limit_name = None;
        self.begin = now;
    }

    /// Records an event. Events without the token change nothing.
    pub(super) fn observe(&mut self, event: &EventKind, now: Instant) -> Next {
        let limits = &self.plan.limits;
        match self.cursor.observe(event) {
            Some(Moved::Fetched) => {
                self.last_seen = "the guest fetched its run script".into();
                self.enter(limits.fetch + self.slack, now);
            }
            Some(Moved::Script) => {
                self.last_seen = "the guest fetched its run script".into();
                self.enter(limits.run, now);
                self.limit_name = Some(steps::RUN);
            }
            Some(Moved::Began) => {
                let step = self.cursor.step();
                self.last_seen = format!("step {step} started");
                self.enter(limits.of(step) + self.slack, now);
            }
            Some(Moved::Ended) => {
                if let EventKind::Guest { guest: GuestEvent::StepEnded { name, exit_status, .. }, .. } = event {
                    let how =
                        exit_status.map_or_else(|| "without exit status".to_owned(), |s| format!("with status {s}"));
                    self.last_seen = format!("step {name} ended {how}");
                }
                self.enter(limits.upload, now);
                // The time between two steps is short and has its own limit, not that of the next step.
                self.limit_name = Some(steps::UPLOAD);
            }
            Some(Moved::Finished) => {
                self.last_seen = "the run script finished".into();
                self.enter(limits.shutdown, now);
            }
            None => {}
        }
        match event {
            EventKind::MachineExited { .. } => return Next::Gone,
            // A guest without a script ends its service; nothing will follow.
            EventKind::RunScriptRequested { status: 400.., .. } => return Next::EndMachine,
            EventKind::Uploaded { name, authentic: true, .. } => self.last_seen = format!("{name} arrived"),
            EventKind::ConsoleAlarm { alarm: Alarm::KernelPanic, .. } => {
                self.last_seen = "the guest's kernel panicked".into();
                self.limit = AFTER_PANIC;
                self.begin = now;
            }
            EventKind::MachineShutdown { .. } => {
                self.last_seen = "the machine was shutting down".into();
                self.enter(limits.shutdown, now);
                self.limit_name = Some(steps::SHUTDOWN);
            }
            _ => {}
        }
        Next::Wait
    }
}

#[cfg(test)]
mod tests {
    use futon_model::Limits;

    use super::*;
    use crate::verdict::testing::{ended, guest, plan, started};

    const SLACK: Duration = Duration::from_secs(15);

    /// Each limit is reached under its own name, after its own length from the event that begins the wait.
    #[test]
    fn every_limit_strikes_under_its_name() {
        let (mut plan, begin) = (plan(), Instant::now());
        let lengths = |limits: &mut Limits| {
            let fields = [
                ("boot", &mut limits.boot),
                ("fetch", &mut limits.fetch),
                ("pull", &mut limits.pull),
                ("start", &mut limits.start),
                ("ready", &mut limits.ready),
                ("invoke", &mut limits.invoke),
                ("log", &mut limits.log),
                ("stop", &mut limits.stop),
                ("upload", &mut limits.upload),
                ("shutdown", &mut limits.shutdown),
            ];
            let mut set = Vec::new();
            for (n, (name, field)) in (1..).zip(fields) {
                *field = Duration::from_secs(100 + n);
                set.push((name, *field));
            }
            set
        };
        let fetched = EventKind::RunScriptRequested { status: 200, authentic: true };
        for (name, length) in lengths(&mut plan.limits) {
            let (event, length) = match name {
                "boot" => (None, length),
                "fetch" => (Some(fetched.clone()), length + SLACK),
                "upload" => (Some(ended("stop", 0)), length),
                "shutdown" => (Some(guest(GuestEvent::Finish { status: 0 })), length),
                step => (Some(started(step)), length + SLACK),
            };
            let mut watch = Watch::new(&plan, SLACK, begin);
            if let Some(event) = event {
                watch.observe(&event, begin);
            }
            assert_eq!(watch.deadline(), Deadline { at: begin + length, limit: name.into(), length });
        }
    }

    #[test]
    fn each_step_has_its_own_limit() {
        let (plan, begin) = (plan(), Instant::now());
        let mut watch = Watch::new(&plan, SLACK, begin);
        assert_eq!(
            watch.deadline(),
            Deadline { at: begin + plan.limits.boot, limit: "boot".into(), length: plan.limits.boot }
        );
        let later = begin + Duration::from_secs(10);
        watch.observe(&EventKind::RunScriptRequested { status: 200, authentic: true }, later);
        assert_eq!(watch.deadline().limit, "fetch");
        watch.observe(&started("invoke"), later);
        assert_eq!(watch.deadline().at, later + plan.limits.invoke + SLACK);
        watch.observe(&ended("invoke", 0), later);
        // The next step has not been reported yet: between two steps the limit `upload` applies.
        assert_eq!(
            watch.deadline(),
            Deadline { at: later + plan.limits.upload, limit: "upload".into(), length: plan.limits.upload }
        );
    }

    #[test]
    fn the_whole_run_has_one_too() {
        let (mut plan, begin) = (plan(), Instant::now());
        plan.limits.run = Duration::from_secs(1);
        let watch = Watch::new(&plan, SLACK, begin);
        assert_eq!(
            watch.deadline(),
            Deadline { at: begin + plan.limits.run, limit: "run".into(), length: plan.limits.run }
        );
        // A machine that took a second to start has none left.
        let later = Watch::new(&plan, SLACK, begin + plan.limits.run).of_run_since(begin);
        assert_eq!(later.deadline(), watch.deadline());
    }

    #[test]
    fn forged_events_do_not_move_it() {
        let (plan, begin) = (plan(), Instant::now());
        let mut watch = Watch::new(&plan, SLACK, begin);
        let forged = EventKind::Guest { authentic: false, guest: GuestEvent::Finish { status: 0 } };
        watch.observe(&forged, begin);
        watch.observe(&EventKind::RunScriptRequested { status: 200, authentic: false }, begin);
        assert_eq!(watch.deadline().limit, "boot");
    }

    #[test]
    fn a_missing_script_ends_the_wait() {
        let plan = plan();
        let mut watch = Watch::new(&plan, SLACK, Instant::now());
        let event = EventKind::RunScriptRequested { status: 404, authentic: false };
        assert_eq!(watch.observe(&event, Instant::now()), Next::EndMachine);
    }
}
