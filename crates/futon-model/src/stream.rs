//! What `--events` writes: one JSON object per line, schema `futon.event/1`.
//!
//! This is a contract with other people's programs. It has little of the inner events ([`crate::EventKind`]), which change with how a run
//! works: names of functions and steps, times, and verdicts.

use serde::{Deserialize, Serialize};

use crate::{Attempt, MachineReport, Summary, Verdict};

/// Name and version of a line's form.
pub const EVENT_SCHEMA: &str = "futon.event/1";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunEvent {
    /// [`EVENT_SCHEMA`].
    pub schema: String,
    /// When, RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// Milliseconds since futon opened the stream, by a clock that is never set.
    pub ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: RunEventKind,
}

/// What happened. New kinds and fields may be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEventKind {
    /// The first run is about to begin. `futon measure` makes several runs of its functions: each has this line and its own `run_ended`.
    RunStarted {
        /// futon's version.
        futon: String,
        /// The functions, in the order of the plan.
        functions: Vec<String>,
        /// The machine, as far as it is known.
        machine: MachineReport,
    },
    /// A function's machine is about to start.
    FunctionStarted {
        /// Which function, attempt and run.
        #[serde(flatten)]
        turn: Turn,
    },
    /// A part of a simulated run began: `boot`, `stage`, `setup`, `evaluate` or `run`.
    PhaseStarted {
        /// Which function, attempt and run.
        #[serde(flatten)]
        turn: Turn,
        /// Name of the part.
        phase: String,
    },
    /// A step ended. The last two, `upload` and `shutdown`, have no line.
    StepEnded {
        /// Which function, attempt and run.
        #[serde(flatten)]
        turn: Turn,
        /// Name of the step.
        step: String,
        /// Its length, milliseconds.
        duration_ms: u64,
        /// Exit status; absent if it did not end by itself.
        exit_status: Option<i32>,
        /// Whether its limit was reached.
        timed_out: bool,
    },
    /// An attempt did not pass, and the function is run again.
    AttemptEnded {
        /// Which function, attempt and run.
        #[serde(flatten)]
        turn: Turn,
        /// How it ended.
        result: Attempt,
    },
    /// A function has its verdict: exactly once for each function, and with `--stress` for each of its runs.
    FunctionEnded {
        /// Which function, attempt and run.
        #[serde(flatten)]
        turn: Turn,
        /// The verdict.
        verdict: Verdict,
        /// Whether it passed, but not at the first attempt.
        flaky: bool,
        /// Wall-clock time of the last attempt on the host, milliseconds.
        duration_ms: u64,
        /// Folder with its results; empty if it was not run.
        folder: String,
    },
    /// All have ended, and `report.json` is written.
    RunEnded {
        /// Counts.
        summary: Summary,
        /// Length of the run, milliseconds.
        duration_ms: u64,
        /// Where `report.json` is.
        report: String,
    },
}

/// One run of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Turn {
    /// Name of the function.
    pub function: String,
    /// Number of the attempt, from 1; 0 if it was not run.
    pub attempt: u32,
    /// Number of the run, from 1 (`--stress`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
}

impl Turn {
    /// A function's first attempt.
    #[must_use]
    pub fn first(function: &str) -> Self {
        Self { function: function.to_owned(), attempt: 1, run: None }
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.function)?;
        self.run.map_or(Ok(()), |run| write!(f, " run {run}"))
    }
}
