//! `futon list`.

use std::path::PathBuf;

use clap::Args;
use futon_cells::Shard;

use super::{ClientArgs, MachineArgs, ProjectArgs, ResourcesArg};

/// `futon list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Functions: compose services or image names
    #[arg(value_name = "FUNCTION")]
    pub names: Vec<String>,
    /// File with one function per line, used if you name none [default: functions.list beside the compose file]
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// All services of the compose file that declare calls or that a built-in client knows
    #[arg(long, conflicts_with_all = ["names", "list", "calls", "call", "client"])]
    pub all: bool,
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
