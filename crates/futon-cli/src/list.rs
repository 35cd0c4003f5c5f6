//! `futon list`.

use std::path::PathBuf;

use clap::Args;
use futon_cells::Shard;

use super::{ChosenArgs, ClientArgs, MachineArgs, ProjectArgs, ResourcesArg};

/// `futon list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which functions
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Only this part of the functions, as `futon test --shard` would take it
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Durations of earlier runs, which are the weights [default: sizes of images]
    #[arg(long, value_name = "FILE")]
    pub timings: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// What to test
    #[command(flatten)]
    pub project: ProjectArgs,
    /// How to invoke
    #[command(flatten)]
    pub client: ClientArgs,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}
