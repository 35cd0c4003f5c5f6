//! Sweeps: many cells from one file, kept by the digest of their inputs, each done once.
//!
//! `spec` reads `sweep.toml`, `plan` makes its cells, `folder` keeps the plan and the tasks, `store` the results; `claim` sees to it that no
//! two workers make one cell, `others` says which workers are there, `tasks` divides the cells, `slurm` hands them to a cluster, `status`
//! counts, `export` puts the results together. Nothing here prints, and nothing here knows what a machine is: the caller says what shapes a
//! function's result, and runs it.
#![warn(missing_docs)]

mod claim;
mod export;
mod folder;
pub mod journal;
mod others;
mod plan;
pub mod slurm;
mod spec;
mod status;
mod store;
mod tasks;

pub use claim::{Claim, Claimed, Liveness, Task, Worker, now};
pub use export::{Exported, Mean, export};
pub use folder::{Executor, Sweep, Tasks};
pub use others::Others;
pub use plan::{Inputs, Machine, Plan, PlannedCell, Source};
pub use spec::{Exclude, Flag, Functions, Group, KnownFlag, Resources, SlurmSpec, Spec, nearest};
pub use status::{Counts, State, Status};
pub use store::{Attempt, Done, Store};
pub use tasks::{Batch, batches};
