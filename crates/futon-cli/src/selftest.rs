//! `futon gem5 …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{MachineArgs, ResourcesArg};

/// `futon gem5 …`.
#[derive(Debug, Subcommand)]
pub enum Gem5Command {
    /// Measure small programs whose cost is known from the parameters, and show both
    ///
    /// Additions, multiplications, loads from each level, TLB misses, forwarded stores, mispredicted branches: each figure of the measured
    /// core beside what the parameters in force make it, with a stated tolerance. A test that the core cannot have is named. The core is
    /// an uncalibrated model: this shows that it does what its parameters say, not that a real processor does the same.
    ///
    /// The exit status is 0 if all figures are within their tolerances, 1 if one is off, 3 if nothing was measured.
    #[command(mut_args(super::adjust::selftest))]
    Selftest(Box<SelftestArgs>),
}

/// `futon gem5 selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Folder for the figures and the run's report [default: runs/TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}
