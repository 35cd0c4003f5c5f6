//! Every wait has a limit that names itself; this is the one table of their defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::steps;

/// Limits of one run. Host wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// From the machine's start to the guest's first request for its run script.
    #[serde(with = "humantime_serde")]
    pub boot: Duration,
    /// Fetching the guest tools and the function's files.
    #[serde(with = "humantime_serde")]
    pub fetch: Duration,
    /// Pulling the function image.
    #[serde(with = "humantime_serde")]
    pub pull: Duration,
    /// Starting the container.
    #[serde(with = "humantime_serde")]
    pub start: Duration,
    /// From the container's start to its first answer.
    #[serde(with = "humantime_serde")]
    pub ready: Duration,
    /// All invocations together.
    #[serde(with = "humantime_serde")]
    pub invoke: Duration,
    /// One invocation.
    #[serde(with = "humantime_serde")]
    pub call: Duration,
    /// Saving the container's log.
    #[serde(with = "humantime_serde")]
    pub log: Duration,
    /// Stopping the container.
    #[serde(with = "humantime_serde")]
    pub stop: Duration,
    /// Uploading the results log, and everything else between the last step and the shutdown.
    #[serde(with = "humantime_serde")]
    pub upload: Duration,
    /// From the run script's final report to the machine's end.
    #[serde(with = "humantime_serde")]
    pub shutdown: Duration,
    /// The whole run.
    #[serde(with = "humantime_serde")]
    pub run: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            boot: s(120),
            fetch: s(60),
            pull: s(180),
            start: s(60),
            ready: s(60),
            invoke: s(300),
            call: s(10),
            log: s(30),
            stop: s(60),
            upload: s(30),
            shutdown: s(30),
            run: s(900),
        }
    }
}

impl Limits {
    /// The names of all limits, in the order of a run: those of the steps, and `call` and `run`.
    pub const NAMES: [&str; 12] = [
        steps::BOOT,
        steps::FETCH,
        steps::PULL,
        steps::START,
        steps::READY,
        steps::INVOKE,
        "call",
        steps::LOG,
        steps::STOP,
        steps::UPLOAD,
        steps::SHUTDOWN,
        steps::RUN,
    ];

    /// The shortest limit: what is shorter strikes before anything has happened.
    const SHORTEST: Duration = Duration::from_millis(1);

    /// The longest limit, 30 days.
    const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Checks a limit that somebody has chosen.
    ///
    /// # Errors
    /// When it is out of the range, which the message names.
    pub fn check(length: Duration) -> Result<(), &'static str> {
        if (Self::SHORTEST..=Self::LONGEST).contains(&length) {
            return Ok(());
        }
        Err("a limit is at least 1ms and at most 30days")
    }

    /// A limit by its name.
    pub fn named_mut(&mut self, name: &str) -> Option<&mut Duration> {
        Some(match name {
            steps::BOOT => &mut self.boot,
            steps::FETCH => &mut self.fetch,
            steps::PULL => &mut self.pull,
            steps::START => &mut self.start,
            steps::READY => &mut self.ready,
            steps::INVOKE => &mut self.invoke,
            "call" => &mut self.call,
            steps::LOG => &mut self.log,
            steps::STOP => &mut self.stop,
            steps::UPLOAD => &mut self.upload,
            steps::SHUTDOWN => &mut self.shutdown,
            steps::RUN => &mut self.run,
            _ => return None,
        })
    }

    /// The limit of a step by its name; steps of a user's own script have the whole run's.
    #[must_use]
    pub fn of(&self, step: &str) -> Duration {
        let mut limits = *self;
        limits.named_mut(step).map_or(self.run, |limit| *limit)
    }
}
