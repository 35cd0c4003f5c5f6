//! How far a sweep is, for people and programs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use futon_common::text::duration;
use futon_common::{Context, Result};
use futon_model::{ExitCode, Outcome};
use futon_sweep::journal::Tail;
use futon_sweep::{Attempt, Counts, Done, Executor, Plan, State};
use futon_terminal::Ui;
use serde_json::json;

use super::{Made, slurm};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// Where there is no terminal, a line at most this often.
const SELDOM: Duration = Duration::from_secs(10);

/// What is shown while cells are made.
pub struct Progress {
    titles: BTreeMap<String, String>,
    done: Tail,
    attempts: Tail,
    counts: Counts,
    places: Option<(usize, usize)>,
    said: Instant,
}

impl Progress {
    pub fn new(made: &Made) -> Result<Self> {
        // From here on nothing is missed.
        let (done, attempts) = (Tail::of(&made.store.done_file()), Tail::of(&made.store.attempts_file()));
        let plan = &made.sweep.plan;
        let all = made.store.done()?;
        let titles = plan.cells.iter().filter(|cell| !all.contains_key(&cell.digest));
        Ok(Self {
            titles: titles.map(|cell| (cell.digest.clone(), plan.title(cell))).collect(),
            done,
            attempts,
            counts: made.status()?.0.counts,
            places: None,
            said: Instant::now(),
        })
    }

    /// Cells in tasks that run, and in tasks that wait.
    pub fn places(&mut self, running: usize, queued: usize) {
        self.places = Some((running, queued));
    }

    /// Shows what has ended since the last call; whether there was something.
    pub fn show(&mut self, ui: &Ui) -> bool {
        let mut news = false;
        for done in self.done.more::<Done>() {
            let Some(title) = self.titles.remove(&done.digest) else { continue };
            news = true;
            let count = match done.outcome {
                Outcome::Passed => &mut self.counts.passed,
                Outcome::TimedOut => &mut self.counts.timed_out,
                Outcome::Crashed => &mut self.counts.crashed,
                _ => &mut self.counts.failed,
            };
            *count += 1;
            if done.outcome != Outcome::Passed {
                let step = done.step.unwrap_or_default();
                let (word, took) = (done.outcome.word(), duration(done.duration_ms));
                ui.line(&format!("  {title}: {BAD}{word}{BAD:#} in {step} after {took}"));
            }
        }
        for attempt in self.attempts.more::<Attempt>().into_iter().filter(|attempt| !attempt.stopped) {
            news = true;
            if let Some(title) = self.titles.get(&attempt.digest) {
                ui.line(&format!("  {title}: {ODD}no verdict{ODD:#}: {}", futon_common::text::one_line(&attempt.why)));
            }
        }
        if ui.on_terminal() {
            ui.update(&self.line());
        } else if news && (self.said.elapsed() >= SELDOM || self.titles.is_empty()) {
            self.said = Instant::now();
            ui.line(&self.line());
        }
        news
    }

    /// As in `31 of 36 cells, 1 failed; 2 running, 3 waiting`.
    pub fn line(&self) -> String {
        let counts = &self.counts;
        let bad = counts.done() - counts.passed;
        let bad = if bad > 0 { format!(", {bad} did not pass") } else { String::new() };
        let places = self.places.filter(|places| *places != (0, 0));
        let places =
            places.map_or_else(String::new, |(running, queued)| format!("; {running} running, {queued} waiting"));
        format!("{} of {} cells{bad}{places}", counts.done(), counts.cells)
    }
}

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
    ui.out(&format!("{}: {} cells, by {who}", made.sweep.name, c.cells))?;
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
                ui.out(&format!("  {}: {attempts} attempts, no verdict: {why}", plan.title(cell)))?;
            }
        }
    }
    for (reason, tasks) in &status.waiting {
        ui.line(&format!("  {tasks} tasks wait: {reason}"));
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
    ui.line(&format!("{} cells", plan.cells.len()));
    Ok(ExitCode::Passed)
}
