//! From records and judgements to `report.json` and `report.html`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use futon_common::{Context, Result, write_whole};
use futon_model::{
    Accelerator, CompanionReport, EventKind, ExitCode, FunctionReport, GuestEvent, LoadReport, MachineReport, Outcome,
    Plan, REPORT_SCHEMA, Report, SimulationReport, StressReport, Summary, steps,
};
use futon_workdir::WorkDir;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use report_diff::rate;
use serde::{Deserialize, Serialize};

use super::html::html_page;
use super::tails::{self, Tails};
use crate::verdict::{Witnesses, as_expected, check_logs, judge, thresholds_hold};

/// What is known about a run besides its events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunMeta {
    /// The machine.
    pub machine: MachineReport,
    /// Remarks on how it was started.
    pub remarks: Vec<String>,
    /// Length of the run.
    pub duration: Duration,
    /// What was simulated, where a simulator ran.
    #[serde(default)]
    pub simulation: Option<SimulationReport>,
}

/// Judges the run whose witnesses are in a working directory and makes its report.
#[must_use]
pub fn function_report(workdir: &WorkDir, events: &[futon_model::Event], meta: &RunMeta) -> FunctionReport {
    let plan: &Plan = workdir.plan();
    let native_speed = meta.machine.accelerator == Accelerator::Kvm;
    let (client, load) = match workdir.load_report(events) {
        Some((client, load)) => (Some(client), Some(LoadReport { is_performance: native_speed, ..load })),
        None => (workdir.client_report(events), None),
    };
    let logs = workdir.witness_uploads(events, |name| name == "results.log" || name == "test.log");
    let judgement = judge(&Witnesses { plan, events, client: client.as_ref(), results_logs: &logs, native_speed });
    let mut verdict = judgement.verdict;
    if let (true, Some(load)) = (verdict.is_pass(), &load) {
        verdict = thresholds_hold(load).unwrap_or(verdict);
    }
    let (broken, checked) = check_logs(&plan.checks, &workdir.results(), &workdir.uploads());
    if let (true, Some(broken)) = (verdict.is_pass(), broken) {
        verdict = broken;
    }
    if let Some(expected) = &plan.expect_failure {
        verdict = as_expected(expected, verdict);
    }
    let passed = verdict.is_pass();
    let tails = |path: &Path| if passed { Tails::default() } else { tails::read(path) };
    let console_tail = tails(&workdir.results().join("console.log")).tail;
    let container = tails(&workdir.uploads().join("container.log"));
    if verdict.never_came_up() && console_tail.is_empty() {
        verdict.hint = Some(SILENT.into());
    }
    let mut remarks = plan.remarks.clone();
    remarks.extend(meta.remarks.iter().cloned());
    remarks.extend(judgement.remarks);
    remarks.extend(checked);
    let mut steps = judgement.steps;
    for step in steps.iter_mut().filter(|step| step.name == steps::PULL) {
        step.cached = meta.machine.fork.as_ref().is_some_and(|fork| !fork.cached_images.is_empty());
    }
    FunctionReport {
        name: plan.function.clone(),
        run: None,
        image: plan.images.first().map(|i| i.reference.to_string()),
        digests: plan.images.clone(),
        cell: workdir.cell(),
        machine: meta.machine.clone(),
        proof: judgement.proof,
        verdict,
        steps,
        invocations: judgement.invocations,
        load,
        companions: companions(events),
        attempts: 1,
        earlier: Vec::new(),
        remarks,
        duration_ms: u64::try_from(meta.duration.as_millis()).unwrap_or(u64::MAX),
        folder: workdir.results().display().to_string(),
        simulation: meta.simulation.clone(),
        console_tail,
        container_tail: container.tail,
        container_crash: container.crash,
    }
}

/// What the guest reported about the services beside the function's; the last report on each counts.
fn companions(events: &[futon_model::Event]) -> Vec<CompanionReport> {
    let mut found: Vec<CompanionReport> = Vec::new();
    for event in events {
        let EventKind::Guest {
            authentic: true,
            guest: GuestEvent::Companion { service, name, status, exit_code, health, .. },
        } = &event.kind
        else {
            continue;
        };
        found.retain(|known| known.service != *service);
        found.push(CompanionReport {
            service: service.clone(),
            container: name.clone(),
            status: status.clone(),
            exit_code: *exit_code,
            health: health.clone(),
            log: format!("uploads/companion-{service}.log"),
        });
    }
    found
}

/// Hint for a guest that went down without any output.
const SILENT: &str = "the console is empty: does the kernel have a driver for the serial port (SERIAL_8250_CONSOLE), \
                      and console=ttyS0 on its command line?";

/// Gathers function reports.
#[must_use]
pub fn report(functions: Vec<FunctionReport>, started: SystemTime, duration: Duration) -> Report {
    let count = |wanted: &[Outcome]| functions.iter().filter(|f| wanted.contains(&f.verdict.outcome)).count();
    let early = functions.iter().filter(|f| f.verdict.never_came_up()).count();
    let summary = Summary {
        total: functions.len(),
        passed: count(&[Outcome::Passed]),
        flaky: functions.iter().filter(|f| f.is_flaky()).count(),
        failed: count(&[Outcome::Failed, Outcome::TimedOut, Outcome::Crashed]) - early,
        infra: count(&[Outcome::Infra]) + early,
        not_run: count(&[Outcome::NotRun]),
        exit_code: ExitCode::of_all(functions.iter().map(|f| &f.verdict)) as u8,
    };
    Report {
        schema: REPORT_SCHEMA.into(),
        futon: env!("CARGO_PKG_VERSION").into(),
        started: humantime::format_rfc3339_seconds(started).to_string(),
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        cpu_ms: own_cpu_ms(),
        summary,
        stress: stress(&functions),
        functions,
    }
}

/// How often each function that was run many times failed.
fn stress(functions: &[FunctionReport]) -> Vec<StressReport> {
    let mut found: Vec<StressReport> = Vec::new();
    for f in functions.iter().filter(|f| f.run.is_some()) {
        let at = found.iter().position(|known| known.function == f.name).unwrap_or_else(|| {
            found.push(StressReport {
                function: f.name.clone(),
                judged: 0,
                failed: 0,
                no_verdict: 0,
                failure_rate: None,
                interval: None,
                codes: BTreeMap::new(),
            });
            found.len() - 1
        });
        let of = &mut found[at];
        match ExitCode::of(&f.verdict) {
            ExitCode::Passed => of.judged += 1,
            ExitCode::Failed if f.verdict.outcome != Outcome::NotRun => {
                of.judged += 1;
                of.failed += 1;
            }
            _ => of.no_verdict += 1,
        }
        if !f.verdict.is_pass() {
            *of.codes.entry(f.verdict.code.word()).or_default() += 1;
        }
    }
    for of in &mut found {
        let rate = rate(of.failed, of.judged);
        of.failure_rate = rate.map(|rate| rate.rate);
        of.interval = rate.map(|rate| [rate.low, rate.high]);
    }
    found
}

/// Processor time of this process so far, milliseconds: user and system (getrusage(2)).
fn own_cpu_ms() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        let spent = usage.user_time() + usage.system_time();
        u64::try_from(spent.num_milliseconds()).unwrap_or(0)
    })
}

/// Writes a report into a folder, each file completely or not at all: `report.json`, and `report.html` for people.
///
/// # Errors
/// When one cannot be written.
pub fn write_report(folder: &Path, report: &Report) -> Result<()> {
    let json = serde_json::to_vec_pretty(report).context(|| "cannot write the report as JSON".into())?;
    write_whole(&folder.join("report.json"), &json)?;
    // Results folders are absolute.
    let place = std::path::absolute(folder).context(|| format!("cannot resolve the path {}", folder.display()))?;
    write_whole(&folder.join("report.html"), html_page(report, &place).as_bytes())
}
