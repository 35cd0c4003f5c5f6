//! How far a sweep is.

use std::collections::BTreeMap;
use std::path::Path;

use futon_common::Result;
use futon_model::Outcome;
use serde::Serialize;

use crate::claim::Liveness;
use crate::folder::{Sweep, Tasks};
use crate::plan::PlannedCell;
use crate::slurm::Queued;
use crate::store::{Done, Store};

/// Where a cell is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It has a result.
    Done {
        /// How it ended.
        outcome: Outcome,
        /// Time of its run, milliseconds.
        duration_ms: u64,
    },
    /// A worker makes it.
    Running {
        /// Name of the worker.
        worker: String,
        /// The worker's task of Slurm.
        #[serde(skip_serializing_if = "Option::is_none")]
        task: Option<String>,
    },
    /// A task of Slurm's queue will make it.
    Queued {
        /// The task.
        task: String,
    },
    /// Nobody makes it.
    Open {
        /// Why the last attempt had no verdict, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// Attempts without a verdict.
        attempts: usize,
    },
}

/// Cells by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub cells: usize,
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// A limit was reached.
    pub timed_out: usize,
    /// The guest went down.
    pub crashed: usize,
    /// A worker makes them.
    pub running: usize,
    /// In Slurm's queue.
    pub queued: usize,
    /// Nobody makes them.
    pub open: usize,
}

impl Counts {
    /// Those that have a result.
    #[must_use]
    pub fn done(&self) -> usize {
        self.passed + self.failed + self.timed_out + self.crashed
    }

    fn count(&mut self, state: &State) {
        self.cells += 1;
        *match state {
            State::Done { outcome: Outcome::Passed, .. } => &mut self.passed,
            State::Done { outcome: Outcome::TimedOut, .. } => &mut self.timed_out,
            State::Done { outcome: Outcome::Crashed, .. } => &mut self.crashed,
            // Nothing else is kept as a result.
            State::Done { .. } => &mut self.failed,
            State::Running { .. } => &mut self.running,
            State::Queued { .. } => &mut self.queued,
            State::Open { .. } => &mut self.open,
        } += 1;
    }
}

/// How far a sweep is, cell by cell.
#[derive(Debug, Clone)]
pub struct Status {
    /// States, in the order of the plan's cells.
    pub states: Vec<State>,
    /// All counted.
    pub counts: Counts,
    /// Tasks that Slurm holds and will not start, as in `123_4`.
    pub stuck: Vec<String>,
    /// Tasks that wait for something else than their turn, by Slurm's reason.
    pub waiting: BTreeMap<String, usize>,
}

/// Reasons of Slurm's that only mean that others are first.
const TURN: [&str; 5] = ["None", "Priority", "Resources", "JobArrayTaskLimit", "BeginTime"];

impl Status {
    /// Looks at a sweep. `queue` has the sweep's tasks in Slurm's queue.
    ///
    /// # Errors
    /// When its folders cannot be read.
    pub fn of(sweep: &Sweep, dir: &Path, store: &Store, queue: &[Queued], others: &dyn Liveness) -> Result<Self> {
        let (done, queued) = (store.done()?, queued_cells(sweep, dir, queue));
        let running: BTreeMap<_, _> =
            store.all_claims()?.into_iter().filter(|(_, worker)| others.is_live(worker)).collect();
        let mut attempts: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for attempt in store.attempts()? {
            let known = attempts.entry(attempt.digest).or_default();
            *known = (known.0 + 1, attempt.why);
        }
        let state = |digest: &String| {
            if let Some(Done { outcome, duration_ms, .. }) = done.get(digest) {
                return State::Done { outcome: *outcome, duration_ms: *duration_ms };
            }
            if let Some(worker) = running.get(digest) {
                let task = worker.task.as_ref().map(|task| task.id.clone());
                return State::Running { worker: worker.name.clone(), task };
            }
            if let Some(task) = queued.get(digest) {
                return State::Queued { task: task.clone() };
            }
            let (attempts, why) = attempts.get(digest).cloned().unzip();
            State::Open { why, attempts: attempts.unwrap_or_default() }
        };
        let states: Vec<State> = sweep.plan.cells.iter().map(|cell| state(&cell.digest)).collect();
        let mut counts = Counts::default();
        states.iter().for_each(|state| counts.count(state));
        let stuck = queue.iter().filter(|task| task.is_stuck()).map(Queued::id).collect();
        let mut waiting = BTreeMap::new();
        for task in queue.iter().filter(|task| !task.is_running() && !task.is_stuck()) {
            if !TURN.contains(&task.reason.as_str()) {
                *waiting.entry(task.reason.clone()).or_insert(0) += 1;
            }
        }
        Ok(Self { states, counts, stuck, waiting })
    }

    /// Cells that nobody makes.
    #[must_use]
    pub fn open<'a>(&self, sweep: &'a Sweep) -> Vec<&'a PlannedCell> {
        let pairs = sweep.plan.cells.iter().zip(&self.states);
        pairs.filter(|(_, state)| matches!(state, State::Open { .. })).map(|(cell, _)| cell).collect()
    }
}

/// The cells of the tasks in the queue that will still be made.
fn queued_cells(sweep: &Sweep, dir: &Path, queue: &[Queued]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<u32, Option<Tasks>> = BTreeMap::new();
    let mut cells = BTreeMap::new();
    for task in queue.iter().filter(|task| !task.is_stuck()) {
        let Some(number) = task.name.strip_prefix(&sweep.jobs()).and_then(|number| number.parse().ok()) else {
            continue;
        };
        let tasks = files.entry(number).or_insert_with(|| Tasks::open(dir, number).ok());
        let own = tasks.as_ref().and_then(|tasks| tasks.tasks.get(usize::try_from(task.task).ok()?));
        cells.extend(own.into_iter().flatten().map(|digest| (digest.clone(), task.id())));
    }
    cells
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
