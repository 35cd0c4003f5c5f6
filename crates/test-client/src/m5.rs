//! Marks for gem5: points in the run, and the region of interest around each measured call.

use std::fmt;

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
        m5: m5ops::M5,
        /// Whether it is to save its state before the measured calls.
        checkpoint: bool,
    },
}

impl fmt::Debug for Gem5<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Off => "Off",
            Self::Missing(_) => "Missing",
            Self::On { .. } => "On",
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
        match m5ops::M5::open() {
            Ok(m5) => Self::On { m5, checkpoint: std::env::var(CHECKPOINT).is_ok_and(|value| value == "1") },
            Err(error) => {
                log.warning("M5 magic instructions require root access");
                log.warning("Will not be enabled!!!");
                log.warning(format!("m5 operations: {error}"));
                Self::Missing(log)
            }
        }
    }
}

impl Marks for Gem5<'_> {
    fn point(&self, code: i32) {
        match self {
            Self::Off => {}
            Self::Missing(log) => log.warning("M5 disabled"),
            Self::On { m5, .. } => m5.fail(0, code),
        }
    }

    fn measuring(&self) {
        if let Self::On { m5, checkpoint: true } = self {
            m5.checkpoint(0, 0);
        }
    }

    fn begin(&self, work_item: u64) {
        if let Self::On { m5, .. } = self {
            m5.work_begin(work_item, 0);
        }
    }

    fn end(&self, work_item: u64) {
        if let Self::On { m5, .. } = self {
            m5.work_end(work_item, 0);
        }
    }
}
