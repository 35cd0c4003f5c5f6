//! How far a sweep is, for people and programs.

use anstyle::{AnsiColor, Style};
use futon_common::text::{counted, duration};
use futon_common::{Context, Result};
use futon_model::{ExitCode, Outcome};
use futon_sweep::{Executor, Plan, State};
use futon_terminal::Ui;
use serde_json::json;

use super::made::Made;
use super::slurm;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// `futon sweep status`.
pub fn status(dir: &std::path::Path, cells: bool, as_json: bool, ui: &Ui) -> Result<ExitCode> {
    let made = Made::open(dir)?;
    let (status, unknown) = made.status()?;
    let plan = &made.sweep.plan;
    let pairs = || plan.cells.iter().zip(&status.states);
    if as_json {
        let mut shown = json!({"schema": "futon.sweep-status/1", "name": made.sweep.name, "counts": status.counts,
            "complete": status.counts.done() == status.counts.cells, "stuck": status.stuck, "waiting": status.waiting});
        if let Some(why) = &unknown {
            shown["unknown"] = why.to_string().into();
        }
        if cells {
            let list = pairs().map(|(cell, state)| {
                json!({"digest": cell.digest, "function": cell.function, "values": values(plan, &cell.values), "is": state})
            });
            shown["cells"] = list.collect();
        }
        ui.out(&serde_json::to_string_pretty(&shown).context(|| "the status as JSON".into())?)?;
        return Ok(ExitCode::Passed);
    }
    let who = match made.sweep.executor {
        Executor::Local => "this machine",
        Executor::Slurm => "Slurm",
    };
    let c = &status.counts;
    ui.out(&format!("{}: {}, by {who}", made.sweep.name, counted(c.cells, "cell")))?;
    for (count, word, style) in [
        (c.passed, "passed", GOOD),
        (c.failed, "failed", BAD),
        (c.timed_out, "timed out", BAD),
        (c.crashed, "crashed", BAD),
        (c.running, "running", FAINT),
        (c.queued, "waiting", FAINT),
        (c.open, "open: nobody makes them", ODD),
    ] {
        if count > 0 {
            ui.out(&format!("{count:>7}  {style}{word}{style:#}"))?;
        }
    }
    if cells {
        for (cell, state) in pairs() {
            let (word, style) = worded(state);
            ui.out(&format!("{}  {style}{word}{style:#}", plan.title(cell)))?;
        }
    } else {
        for (cell, state) in pairs() {
            if let State::Open { why: Some(why), attempts } = state {
                let why = futon_common::text::one_line(why);
                ui.out(&format!("  {}: {}, no verdict: {why}", plan.title(cell), counted(*attempts, "attempt")))?;
            }
        }
    }
    for (reason, tasks) in &status.waiting {
        ui.line(&format!("  {} waiting: {reason}", counted(*tasks, "task")));
    }
    if let Some(why) = unknown {
        ui.line(&format!("note: {why}: running and waiting cells count as open"));
    }
    if c.open > 0 {
        for line in if made.sweep.executor == Executor::Slurm { slurm::odd_ends(&made) } else { Vec::new() } {
            ui.line(&format!("  {line}"));
        }
        ui.line(&format!("to make what is open: futon sweep resume {}", dir.display()));
    }
    Ok(ExitCode::Passed)
}

fn worded(state: &State) -> (String, Style) {
    match state {
        State::Done { outcome: Outcome::Passed, duration_ms } => (format!("passed {}", duration(*duration_ms)), GOOD),
        State::Done { outcome, duration_ms } => (format!("{} {}", outcome.word(), duration(*duration_ms)), BAD),
        State::Running { worker, task } => (
            format!("running ({})", task.as_ref().map_or_else(|| worker.clone(), |task| format!("task {task}"))),
            FAINT,
        ),
        State::Queued { task } => (format!("waiting (task {task})"), FAINT),
        State::Open { why: None, .. } => ("open".into(), ODD),
        State::Open { why: Some(why), .. } => (format!("open: {}", futon_common::text::one_line(why)), ODD),
    }
}

fn values(plan: &Plan, values: &[String]) -> serde_json::Map<String, serde_json::Value> {
    plan.names.iter().cloned().zip(values.iter().map(|value| value.clone().into())).collect()
}

/// `futon sweep FILE --dry-run`.
pub fn cells(plan: &Plan, as_json: bool, ui: &Ui) -> Result<ExitCode> {
    if as_json {
        let list = plan.cells.iter().map(|cell| {
            json!({"digest": cell.digest, "function": cell.function, "values": values(plan, &cell.values),
                "arguments": plan.words(cell)})
        });
        let shown = json!({"schema": "futon.sweep-cells/1", "cells": list.collect::<Vec<_>>()});
        ui.out(&serde_json::to_string_pretty(&shown).context(|| "the cells as JSON".into())?)?;
        return Ok(ExitCode::Passed);
    }
    for cell in &plan.cells {
        ui.out(&format!("{}  {}", cell.digest.get(..12).unwrap_or_default(), plan.title(cell)))?;
    }
    ui.line(&counted(plan.cells.len(), "cell"));
    Ok(ExitCode::Passed)
}
