//! Which cells one task makes, and what it asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use futon_common::{Error, Result};

use crate::folder::Sweep;
use crate::plan::PlannedCell;
use crate::slurm::{Needs, minutes};
use crate::store::Done;

/// A task is worth Slurm's trouble if it takes about this long.
const WORTH: Duration = Duration::from_secs(600);

/// Beside the machine's own memory: what emulator, simulator and futon need, MiB.
const BESIDE_MIB: u64 = 1024;

/// A cell may take so much longer than the longest of its function that is known, and so much more.
const LONGER: u32 = 3;
const MORE: Duration = Duration::from_secs(300);

/// Tasks that ask for the same, at most as many as an array can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What each asks for.
    pub needs: Needs,
    /// Digests of each task's cells.
    pub tasks: Vec<Vec<String>>,
    /// Tasks of this array that run at the same time, at most.
    pub at_once: Option<u32>,
}

/// Makes tasks of cells, and arrays of tasks. What is not said is taken from results that are there.
///
/// # Errors
/// When fewer tasks are to run at once than there are arrays.
pub fn batches(
    sweep: &Sweep,
    cells: &[&PlannedCell],
    done: &BTreeMap<String, Done>,
    most: usize,
) -> Result<Vec<Batch>> {
    let known = Known::of(sweep, done);
    let mut by_needs: BTreeMap<Needs, Vec<&PlannedCell>> = BTreeMap::new();
    for cell in cells {
        by_needs.entry(known.needs(sweep, cell)).or_default().push(cell);
    }
    let mut batches = Vec::new();
    for (needs, cells) in by_needs {
        let together = known.together(sweep, &cells);
        let tasks: Vec<Vec<String>> =
            cells.chunks(together).map(|cells| cells.iter().map(|cell| cell.digest.clone()).collect()).collect();
        // A task has the time of all its cells.
        let minutes = needs.minutes.map(|minutes| minutes * together as u64);
        let needs = Needs { minutes, ..needs };
        batches.extend(tasks.chunks(most.max(1)).map(|tasks| Batch {
            needs: needs.clone(),
            tasks: tasks.to_vec(),
            at_once: None,
        }));
    }
    share(sweep.slurm.at_once, &mut batches)?;
    Ok(batches)
}

/// Slurm limits each array on its own: each gets its share.
fn share(at_once: Option<u32>, batches: &mut [Batch]) -> Result<()> {
    let Some(at_once) = at_once else { return Ok(()) };
    let arrays = u32::try_from(batches.len()).unwrap_or(u32::MAX);
    if arrays > at_once {
        return Err(Error::usage(format!("{at_once} tasks are to run at once, but there are {arrays} arrays"))
            .hint("put more cells into a task: cells-per-task in [slurm]"));
    }
    for (place, batch) in (0..).zip(batches) {
        batch.at_once = Some(at_once / arrays + u32::from(place < at_once % arrays));
    }
    Ok(())
}

/// Times of results that are there, by function.
struct Known<'a> {
    longest: BTreeMap<&'a str, u64>,
    mean: Option<Duration>,
}

impl<'a> Known<'a> {
    fn of(sweep: &'a Sweep, done: &BTreeMap<String, Done>) -> Self {
        let (mut longest, mut sum, mut count) = (BTreeMap::new(), 0_u64, 0_u64);
        for cell in &sweep.plan.cells {
            let Some(done) = done.get(&cell.digest) else { continue };
            let known = longest.entry(cell.function.as_str()).or_insert(0);
            *known = done.duration_ms.max(*known);
            (sum, count) = (sum + done.duration_ms, count + 1);
        }
        Self { longest, mean: sum.checked_div(count).map(Duration::from_millis) }
    }

    fn needs(&self, sweep: &Sweep, cell: &PlannedCell) -> Needs {
        let machine = sweep.plan.machine(cell);
        let measured = || {
            let longest = self.longest.get(cell.function.as_str())?;
            Some(Duration::from_millis(*longest) * LONGER + MORE)
        };
        Needs {
            cores: sweep.needs.cores.unwrap_or(machine.cores).max(1),
            memory_mib: sweep.needs.memory_mib.unwrap_or(machine.memory_mib + BESIDE_MIB),
            minutes: sweep.needs.time.or_else(measured).map(minutes),
        }
    }

    /// Cells of a task: as the file says, else as many as make it worth its while, but so that no machine that could help has nothing to do.
    fn together(&self, sweep: &Sweep, cells: &[&PlannedCell]) -> usize {
        if let Some(together) = sweep.slurm.cells_per_task {
            return usize::try_from(together).unwrap_or(1).max(1);
        }
        let Some(mean) = self.mean else { return 1 };
        let worth = WORTH.as_millis() / mean.as_millis().max(1);
        let lanes = usize::try_from(sweep.slurm.at_once.unwrap_or(32)).unwrap_or(1).max(1);
        usize::try_from(worth).unwrap_or(1).min(cells.len().div_ceil(lanes)).max(1)
    }
}

#[cfg(test)]
#[path = "tasks_tests.rs"]
mod tests;
