//! Marks for gem5: points in the run, and the region of interest around each measured call.

use std::{cell::OnceCell, fmt};

use futon_stage::guest::Stop;
use m5ops::M5;

use crate::log::Log;

/// Said before connecting (its old name is "connection established").
pub const STARTED: i32 = 20;
/// Said before the warm-up calls.
pub const WARMUP_BEGINS: i32 = 31;
/// Said after the warm-up calls.
pub const WARMUP_ENDS: i32 = 32;
/// Work item of the first measured call; the next ones count up.
pub const FIRST_WORK_ITEM: u64 = 100;

/// Set to 1 where the simulator is to save its state between the warm-up and the measured calls.
pub const CHECKPOINT: &str = "FUTON_ROI_CHECKPOINT";

/// Takes the marks of a run.
pub trait Marks {
    /// A point in the run.
    fn point(&self, code: i32);
    /// All that goes before the measured calls is done.
    fn measuring(&self);
    /// A measured call begins.
    fn begin(&self, work_item: u64);
    /// It has ended, well or not.
    fn end(&self, work_item: u64);
}

/// The simulator's marks, as far as there is a simulator.
pub enum Gem5<'a> {
    /// Not asked for.
    Off,
    /// Asked for, and not to be had: every point says so.
    Missing(&'a Log),
    /// Told to the simulator.
    On {
        /// The simulator.
        m5: M5,
        /// Whether it is to save its state before the measured calls.
        checkpoint: bool,
    },
    /// This is a staging machine: the simulator takes its state over before the measured calls.
    Staged {
        /// What stops the machine here.
        stop: Stop,
        /// The simulator, once the program is there.
        m5: OnceCell<M5>,
        /// Hears what goes wrong.
        log: &'a Log,
    },
}

impl fmt::Debug for Gem5<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Off => "Off",
            Self::Missing(_) => "Missing",
            Self::On { .. } => "On",
            Self::Staged { .. } => "Staged",
        })
    }
}

impl<'a> Gem5<'a> {
    /// Opens the simulator's interface, if `wanted`. Without one, warns; the run goes on.
    pub fn open(wanted: bool, log: &'a Log) -> Self {
        if !wanted {
            return Self::Off;
        }
        log.info("Initialize M5 magic instructions. M5Ops Addr:0xffff0000\n");
        let checkpoint = std::env::var(CHECKPOINT).is_ok_and(|value| value == "1");
        let opened = if checkpoint && futon_stage::is_here() {
            Stop::open().map(|stop| Self::Staged { stop, m5: OnceCell::new(), log }).map_err(|error| error.to_string())
        } else {
            M5::open().map(|m5| Self::On { m5, checkpoint }).map_err(|error| error.to_string())
        };
        opened.unwrap_or_else(|error| {
            log.warning("M5 magic instructions require root access");
            log.warning("Will not be enabled!!!");
            log.warning(format!("m5 operations: {error}"));
            Self::Missing(log)
        })
    }

    /// The simulator, where the program runs in one.
    fn simulator(&self) -> Option<&M5> {
        match self {
            Self::Off | Self::Missing(_) => None,
            Self::On { m5, .. } => Some(m5),
            Self::Staged { m5, .. } => m5.get(),
        }
    }
}

impl Marks for Gem5<'_> {
    fn point(&self, code: i32) {
        if let Self::Missing(log) = self {
            log.warning("M5 disabled");
        }
        if let Some(m5) = self.simulator() {
            m5.fail(0, code);
        }
    }

    fn measuring(&self) {
        match self {
            Self::On { m5, checkpoint: true } => m5.checkpoint(0, 0),
            Self::Staged { stop, m5, log } => {
                stop.strike();
                match M5::open() {
                    // Once a run.
                    Ok(simulator) => drop(m5.set(simulator)),
                    Err(error) => log.warning(format!("m5 operations: {error}")),
                }
            }
            _ => {}
        }
    }

    fn begin(&self, work_item: u64) {
        if let Some(m5) = self.simulator() {
            m5.work_begin(work_item, 0);
        }
    }

    fn end(&self, work_item: u64) {
        if let Some(m5) = self.simulator() {
            m5.work_end(work_item, 0);
        }
    }
}
