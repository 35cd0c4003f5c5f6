//! Parts of a sweep's file that are read alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The functions of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Functions {
    /// All of the compose file that can be called.
    All,
    /// These.
    Named(Vec<String>),
    /// Those that a `[[zip]]` has.
    Zipped,
}

/// What a cell needs of the machine that makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Processors.
    pub cores: Option<u32>,
    /// Memory, MiB.
    pub memory_mib: Option<u64>,
    /// Time.
    pub time: Option<Duration>,
}

/// How tasks are handed to Slurm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlurmSpec {
    /// Tasks that run at the same time, at most.
    pub at_once: Option<u32>,
    /// Cells of a task.
    pub cells_per_task: Option<u32>,
    /// More arguments of `sbatch`.
    pub arguments: Vec<String>,
}
