//! What became of the calls: counts, the first failure, when to stop, and the verdict.

use std::time::Duration;

use calls::oracle::Function;
use futon_model::{
    ClientFailure as Failure, ClientFailureKind as Kind, ClientReport, Greeting, Phase, PhaseCount, histogram, millis,
    summary,
};

use crate::report::SCHEMA;

use super::plan::Plan;

/// How a run ended, as an exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every call was made and every reply is right (or was not to be looked at).
    Right = 0,
    /// A call failed, or a reply was wrong.
    Wrong = 1,
    /// No connection.
    NotConnected = 3,
    /// A call got no reply in time.
    Deadline = 4,
}

/// Counts of one phase.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    right: u64,
    failed: u64,
}

/// Collects the fates of all calls of a run.
#[derive(Debug)]
pub struct Tally {
    planned: u64,
    warmups: u64,
    verify: bool,
    greets: bool,
    calls: u64,
    greeting: Counts,
    warmup: Counts,
    measured: Counts,
    latencies: Vec<Option<Duration>>,
    connected: Option<Duration>,
    first: Option<Failure>,
    unavailable: u32,
    deadline: bool,
}

impl Tally {
    /// An empty tally of a run with the calls of `plan` ahead.
    pub const fn new(plan: &Plan) -> Self {
        Self {
            planned: plan.measured,
            warmups: plan.warmups,
            verify: plan.verify,
            greets: plan.greets,
            calls: 0,
            greeting: Counts { right: 0, failed: 0 },
            warmup: Counts { right: 0, failed: 0 },
            measured: Counts { right: 0, failed: 0 },
            latencies: Vec::new(),
            connected: None,
            first: None,
            unavailable: 0,
            deadline: false,
        }
    }

    /// Connecting took so long.
    pub const fn connected(&mut self, took: Duration) {
        self.connected = Some(took);
    }

    /// Connecting failed: nothing was called.
    pub fn not_connected(&mut self, message: &str) {
        self.first = Some(Failure {
            call: 1,
            phase: Phase::Greeting,
            invocation: None,
            kind: Kind::Connect,
            status: None,
            expected: None,
            got: None,
            message: message.to_owned(),
        });
    }

    /// Number of the next call, and among the measured ones.
    pub const fn next(&self, phase: Phase) -> (u64, Option<u64>) {
        let invocation = match phase {
            Phase::Measured => Some(self.measured.right + self.measured.failed + 1),
            Phase::Greeting | Phase::Warmup => None,
        };
        (self.calls + 1, invocation)
    }

    /// A call went well.
    pub fn right(&mut self, phase: Phase, took: Duration) {
        self.calls += 1;
        self.unavailable = 0;
        self.counts(phase).right += 1;
        if phase == Phase::Measured {
            self.latencies.push(Some(took));
        }
    }

    /// A call did not.
    pub fn failed(&mut self, failure: Failure) {
        self.calls += 1;
        let lost = failure.status.as_deref() == Some("UNAVAILABLE");
        self.unavailable = if lost { self.unavailable + 1 } else { 0 };
        self.deadline |= failure.kind == Kind::Deadline;
        self.counts(failure.phase).failed += 1;
        if failure.phase == Phase::Measured {
            self.latencies.push(None);
        }
        self.first.get_or_insert(failure);
    }

    const fn counts(&mut self, phase: Phase) -> &mut Counts {
        match phase {
            Phase::Greeting => &mut self.greeting,
            Phase::Warmup => &mut self.warmup,
            Phase::Measured => &mut self.measured,
        }
    }

    /// Whether further calls would only cost time: one hung, or the server is gone.
    pub const fn is_hopeless(&self) -> bool {
        self.deadline || self.unavailable >= 2
    }

    /// Calls that failed so far.
    pub const fn failures(&self) -> u64 {
        self.greeting.failed + self.warmup.failed + self.measured.failed
    }

    /// Calls that the plan has, the greeting among them.
    fn all(&self) -> u64 {
        u64::from(self.greets) + self.warmups + self.planned
    }

    /// The verdict, if the run ends here.
    pub fn verdict(&self) -> Verdict {
        let all = self.all();
        match &self.first {
            Some(failure) if failure.kind == Kind::Connect => Verdict::NotConnected,
            _ if self.deadline => Verdict::Deadline,
            None if self.calls == all => Verdict::Right,
            _ => Verdict::Wrong,
        }
    }

    /// One sentence about what failed; empty if nothing did.
    pub fn complaint(&self) -> String {
        let all = self.all();
        let Some(first) = &self.first else {
            return String::new();
        };
        let not_made = match all - self.calls {
            0 => String::new(),
            left => format!("; {left} calls not made"),
        };
        format!("FAIL: {} of {all} calls failed: {}{not_made}", self.failures(), first.message)
    }

    /// The report, if the run ends here.
    pub fn report(&self, function: &Function, seed: u64) -> ClientReport {
        let verified = |counts: Counts| if self.verify { counts.right } else { 0 };
        let good: Vec<Duration> = self.latencies.iter().flatten().copied().collect();
        ClientReport {
            schema: SCHEMA.to_owned(),
            function: function.name.to_owned(),
            service: function.service.name().to_owned(),
            method: function.service.method().to_owned(),
            seed,
            planned: self.planned,
            verified: verified(self.measured),
            failed: self.measured.failed,
            not_made: self.planned - self.measured.right - self.measured.failed,
            warmup: PhaseCount { planned: self.warmups, verified: verified(self.warmup), failed: self.warmup.failed },
            greeting: match self.greeting {
                _ if !self.greets => Greeting::None,
                Counts { failed: 1.., .. } => Greeting::Failed,
                Counts { right: 0, .. } => Greeting::NotMade,
                _ if self.verify => Greeting::Verified,
                _ => Greeting::Unverified,
            },
            connect_ms: self.connected.map(millis),
            first_failure: self.first.clone(),
            latency_ms: summary(&good),
            latencies_ms: self.latencies.iter().map(|took| took.map(millis)).collect(),
            histogram: histogram(&good),
        }
    }
}
