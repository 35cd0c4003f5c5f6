//! `report.json`, schema `futon.report/1`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Accelerator, Cell, ClientFailure, Code, LatencyMs, LoadReport, MachineKind, Outcome, PlannedImage, Proof,
    SimulationReport, Verdict, verdict::never_came_up,
};

/// Name and version of the report's form.
pub const REPORT_SCHEMA: &str = "futon.report/1";

/// Report of one `futon test` or `futon exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// [`REPORT_SCHEMA`].
    pub schema: String,
    /// futon's version.
    pub futon: String,
    /// Start of the run, RFC 3339, UTC.
    pub started: String,
    /// Length of the run, milliseconds.
    pub duration_ms: u64,
    /// Processor time of futon itself, milliseconds: without the machines and the tools it starts.
    #[serde(default)]
    pub cpu_ms: u64,
    /// Counts.
    pub summary: Summary,
    /// How often each function failed (`--stress`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stress: Vec<StressReport>,
    /// One entry per function, in the order of the plan.
    pub functions: Vec<FunctionReport>,
}

/// How often a function failed, of many runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StressReport {
    /// The function.
    pub function: String,
    /// Runs with a verdict: they passed or failed.
    pub judged: usize,
    /// Of these, runs that failed.
    pub failed: usize,
    /// Runs without a verdict: the host failed, or they were not made.
    pub no_verdict: usize,
    /// Failed runs as a part of those judged, 0 to 1; absent if none was.
    pub failure_rate: Option<f64>,
    /// Its 95% interval (Wilson): lower and upper end.
    pub interval: Option<[f64; 2]>,
    /// Runs that did not pass, by `verdict.code`.
    pub codes: BTreeMap<String, usize>,
}

/// A service beside the function's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CompanionReport {
    /// Compose service.
    pub service: String,
    /// Name of its container.
    pub container: String,
    /// The engine's status word (`running`, `exited` …).
    pub status: String,
    /// Exit code, if it has exited.
    pub exit_code: Option<i64>,
    /// Its health, if it has a healthcheck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Its log, by its name below the run's folder.
    pub log: String,
}

/// Counts of verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Functions in the plan.
    pub total: usize,
    /// Functions that passed.
    pub passed: usize,
    /// Of these, functions that did not pass on the first attempt.
    #[serde(default)]
    pub flaky: usize,
    /// Functions that failed, timed out or crashed.
    pub failed: usize,
    /// Functions without a verdict, because the harness or the host failed.
    pub infra: usize,
    /// Functions that were not run.
    pub not_run: usize,
    /// The program's exit code.
    pub exit_code: u8,
}

/// Report of one function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FunctionReport {
    /// Function name.
    pub name: String,
    /// Number of this run of the function, from 1 (`--stress`): each has an entry of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Image name as written; absent for an arbitrary workflow.
    pub image: Option<String>,
    /// Planned images with their digests, the function's first.
    pub digests: Vec<PlannedImage>,
    /// Everything that shapes this result, and its digest: results of one cell can stand for each other. Absent for scripts of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// The machine.
    pub machine: MachineReport,
    /// What the verdict rests on.
    pub proof: Proof,
    /// How it ended.
    pub verdict: Verdict,
    /// Steps with times.
    pub steps: Vec<StepReport>,
    /// Calls, if a client reported.
    pub invocations: Option<InvocationReport>,
    /// The load, for `futon load`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadReport>,
    /// The services beside it, in their state after the run's calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<CompanionReport>,
    /// Number of runs; above 1 when earlier ones did not pass (`--retries`, or a fault of the emulator).
    #[serde(default = "one")]
    pub attempts: u32,
    /// The attempts before the last one, in order; none of them passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Attempt>,
    /// Unusual events: reports without the token, defaults used.
    pub remarks: Vec<String>,
    /// Wall-clock time of the run on the host, milliseconds.
    pub duration_ms: u64,
    /// Folder with the results log, consoles, container log and events.
    pub folder: String,
    /// What was simulated, if a simulator ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationReport>,
    /// Last console lines, if the function did not pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub console_tail: Vec<String>,
    /// Last lines of the container's own log, if the function did not pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub container_tail: Vec<String>,
    /// Lines of the container's own log around the first that looks like a crash, unless it is among the last lines that a terminal shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub container_crash: Vec<String>,
}

fn one() -> u32 {
    1
}

/// An attempt that did not pass, and after which the function was run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// The step that decided it.
    pub step: Option<String>,
    /// Why, for programs.
    pub code: Code,
    /// Why, for people.
    pub why: String,
    /// Wall-clock time on the host, milliseconds.
    pub duration_ms: u64,
    /// Folder with its results; empty if it had none.
    pub folder: String,
}

impl Attempt {
    /// The attempt that a report is of, whose results now lie in `folder`.
    #[must_use]
    pub fn of(report: &FunctionReport, folder: String) -> Self {
        let Verdict { outcome, step, code, why, .. } = report.verdict.clone();
        Self { outcome, step, code, why, duration_ms: report.duration_ms, folder }
    }

    /// Whether the guest never came up, which says nothing about the function.
    #[must_use]
    pub fn never_came_up(&self) -> bool {
        never_came_up(self.outcome, self.step.as_deref())
    }

    /// Outcome, step and reason on one line: `failed in invoke: no reply`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} in {}: {}", self.outcome.word(), self.step.as_deref().unwrap_or("run"), self.why)
    }
}

impl FunctionReport {
    /// Name, and number of the run if there are several.
    #[must_use]
    pub fn label(&self) -> String {
        self.run.map_or_else(|| self.name.clone(), |run| format!("{} run {run}", self.name))
    }

    /// Whether it passed, and not at the first attempt.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.verdict.is_pass() && self.attempts > 1
    }

    /// Whether a known fault of the emulator looks like the cause ([`OOPS_OF_TRANSLATOR`], without KVM).
    #[must_use]
    pub fn emulator_is_suspect(&self) -> bool {
        self.machine.accelerator == Accelerator::Tcg
            && self.verdict.code == Code::GuestOops
            && self.verdict.why.contains(OOPS_OF_TRANSLATOR)
    }
}

/// What a guest's kernel says when it meets a breakpoint of its own making. Linux writes such a breakpoint over code that it patches while
/// it runs, and takes it away again; QEMU's translator may keep what it read in between (seen with 7.2 and two virtual processors;
/// docs/decisions/emulator-faults.md).
pub const OOPS_OF_TRANSLATOR: &str = "Oops: int3";

/// The machine that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MachineReport {
    /// Kind of machine.
    pub kind: MachineKind,
    /// Version line of the machine's program.
    pub version: String,
    /// Accelerator.
    pub accelerator: Accelerator,
    /// Why this accelerator.
    pub accelerator_reason: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Base image.
    pub base_image: String,
    /// Kernel.
    pub kernel: String,
    /// What it was forked from; absent: it booted from nothing.
    #[serde(flatten)]
    pub fork: Option<ForkReport>,
}

/// The fork of a warm base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ForkReport {
    /// The warm base.
    pub warm_base: String,
    /// Whether QEMU itself continued from there, with its translated code (`--thaw auto`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thawed: bool,
    /// Images that were in the warm base already (`--from-cache`), as the compose file writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cached_images: Vec<String>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepReport {
    /// Name of the step.
    pub name: String,
    /// Duration, milliseconds; absent when the step did not end.
    pub duration_ms: Option<u64>,
    /// Exit status; absent when the step did not end by itself.
    pub exit_status: Option<i32>,
    /// True if most of its work was done when the warm base was made (`--from-cache`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

/// Calls made by the test client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InvocationReport {
    /// Measured invocations planned.
    pub planned: u64,
    /// Replies verified.
    pub verified: u64,
    /// Calls failed.
    pub failed: u64,
    /// Latencies, milliseconds.
    pub latency_ms: Option<LatencyMs>,
    /// False under emulation: then the latencies do not measure performance.
    pub latency_is_performance: bool,
    /// The first failed call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<ClientFailure>,
}
