//! The programs of `futon gem5 selftest`: small loops whose cost is known from the simulated core's parameters. Each is a work item of
//! the simulator's; this program makes them one after the other, on the measured core.

mod arena;
mod kernels;

use std::fmt;
use std::io::{Error, Result};

use futon_stage::guest::Stop;
use gem5_selftest::work::{Before, Chase, Work};
use m5ops::M5;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use arena::{Arena, Cycle, Random};

/// Work item of the first one; the next ones count up, as the test client's calls do.
const FIRST_WORK_ITEM: u64 = 100;
/// The measured processor, where there is more than one.
const MEASURED: usize = 1;

/// A work item with its memory.
enum Ready {
    Loop(fn(u64), u64),
    Chase {
        cycle: Cycle,
        steps: u64,
        before: Before,
    },
    /// What is walked first, and what is measured.
    Branch(Vec<u8>, Vec<u8>),
}

/// An error with what was being done before it.
fn said(what: impl fmt::Display, why: impl fmt::Display) -> Error {
    Error::other(format!("{what}: {why}"))
}

/// Makes all work items.
///
/// # Errors
/// When there is too little memory for one, or no simulator to measure it.
pub fn run(items: &[Work]) -> Result<()> {
    // Memory is prepared before the simulator takes over: there it would take minutes.
    let mut ready = (0..).zip(items).map(|(place, item)| prepare(place, item)).collect::<Result<Vec<_>>>()?;
    let over = items.iter().filter_map(|item| match item {
        Work::Chase(Chase { before: Before::Over(bytes), .. }) => Some(*bytes),
        _ => None,
    });
    let over = over.max().map(Arena::new).transpose().map_err(|e| said("memory", e))?;
    // The staging machine is stopped by its first processor.
    let m5 = reach_simulator()?;
    pin();
    for (number, item) in (FIRST_WORK_ITEM..).zip(&mut ready) {
        item.warm(over.as_ref());
        m5.work_begin(number, 0);
        item.work();
        m5.work_end(number, 0);
    }
    println!("{} work items", items.len());
    Ok(())
}

/// Goes to the measured processor. A machine with one has no other.
fn pin() {
    let mut set = CpuSet::new();
    // Where this fails, the simulator's statistics of the measured core show nothing, and the host says so.
    let _ = set.set(MEASURED).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
}

/// Leaves the staging machine, or has the simulator save its state: what follows runs on the measured core.
fn reach_simulator() -> Result<M5> {
    if futon_stage::is_here() {
        Stop::open().map_err(|e| said("the staging machine cannot be stopped", e))?.strike();
        return M5::open().map_err(|e| said("m5 operations", e));
    }
    let m5 = M5::open().map_err(|e| said("m5 operations", e))?;
    m5.checkpoint(0, 0);
    Ok(m5)
}

/// A predictor may learn a sequence that comes again: each place has its own.
fn prepare(place: u64, item: &Work) -> Result<Ready> {
    Ok(match *item {
        Work::Add { rounds } => Ready::Loop(kernels::add, rounds),
        Work::Independent { rounds } => Ready::Loop(kernels::independent, rounds),
        Work::Multiply { rounds } => Ready::Loop(kernels::multiply, rounds),
        Work::Forward { rounds } => Ready::Loop(kernels::forward, rounds),
        Work::Chase(Chase { nodes, stride, steps, before }) => {
            let cycle = Cycle::new(nodes, stride).map_err(|e| said(item, e))?;
            Ready::Chase { cycle, steps, before }
        }
        Work::Branch { count, random } => {
            let count = usize::try_from(count).map_err(|_| said(item, "too many"))?;
            let mut bits = Random::new(place);
            let mut pattern = || -> Vec<u8> {
                let bit = |place| if random { bits.next().to_le_bytes()[4] & 1 } else { u8::from(place % 2 == 1) };
                // One more, which is loaded and decides nothing.
                (0..=count).map(bit).collect()
            };
            Ready::Branch(pattern(), pattern())
        }
    })
}

impl Ready {
    /// Puts code and data where they are to be.
    fn warm(&mut self, over: Option<&Arena>) {
        match self {
            Self::Loop(kernel, _) => kernel(4),
            Self::Chase { cycle, before: Before::Walk, .. } => cycle.walk_once(),
            Self::Chase { cycle, before: Before::Over(_), .. } => {
                cycle.walk_once();
                if let Some(over) = over {
                    over.read_over();
                }
                cycle.touch_pages();
            }
            Self::Chase { cycle, before: Before::Fresh, .. } => cycle.touch_pages(),
            Self::Branch(first, second) => {
                kernels::branches(first);
                std::hint::black_box(second.iter().step_by(64).fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
            }
        }
    }

    fn work(&mut self) {
        match self {
            Self::Loop(kernel, rounds) => kernel(*rounds),
            Self::Chase { cycle, steps, .. } => cycle.walk(*steps),
            Self::Branch(_, second) => kernels::branches(second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernels end, and leave the compiler's registers as they were.
    #[test]
    fn every_item_can_be_done() {
        for text in [
            "add:3",
            "independent:3",
            "multiply:3",
            "forward:3",
            "chase:128:128:256:walk",
            "chase:64:4160:64:fresh",
            "chase:128:128:64:65536",
            "branch:1000:random",
            "branch:1000:alternating",
        ] {
            let over = Arena::new(65536).unwrap();
            let mut ready = prepare(7, &text.parse().unwrap()).unwrap();
            ready.warm(Some(&over));
            ready.work();
        }
    }

    #[test]
    fn half_of_the_branches_go_each_way() {
        for (text, least, most) in [("branch:8192:random", 3950, 4250), ("branch:8192:alternating", 4097, 4097)] {
            let Ready::Branch(_, second) = prepare(7, &text.parse().unwrap()).unwrap() else { panic!("{text}") };
            let taken = second.iter().filter(|byte| **byte == 0).count();
            assert!((least..=most).contains(&taken), "{text}: {taken}");
        }
    }

    #[test]
    fn another_machine_is_refused() {
        assert!(run(&["add:1".parse().unwrap()]).unwrap_err().to_string().contains("m5 operations"));
    }
}
