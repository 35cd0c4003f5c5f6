//! How far a sweep is, while its cells are made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use futon_common::Result;
use futon_common::text::{duration, one_line};
use futon_model::Outcome;
use futon_sweep::journal::Tail;
use futon_sweep::{Attempt, Counts, Done};
use futon_terminal::Ui;

use super::made::Made;

const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();

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
                ui.line(&format!("  {title}: {ODD}no verdict{ODD:#}: {}", one_line(&attempt.why)));
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
