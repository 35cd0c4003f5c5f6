//! `futon test`.

use std::path::PathBuf;

use clap::Args;

use super::{ClientArgs, EventsArg, MachineArgs, ProjectArgs, ResourcesArg, ShardArgs};

/// Which functions.
#[derive(Debug, Default, Args)]
pub struct ChosenArgs {
    /// Functions: compose services, image names, or image archives, as in ./my-function.tar
    #[arg(value_name = "FUNCTION")]
    pub names: Vec<String>,
    /// File with one function per line, used if you name none [default: functions.list beside the compose file]
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// All services of the compose file that declare calls or that a built-in client knows
    #[arg(long, conflicts_with_all = ["names", "list", "calls", "call", "client"])]
    pub all: bool,
}

/// Reports of `futon test`.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Print the report as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Who is told
    #[command(flatten)]
    pub events: EventsArg,
    /// Folder for working directories and reports [default: runs/TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Keep the run's disks
    #[arg(long)]
    pub keep_disks: bool,
}

/// `futon test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Which functions
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Number of machines side by side [default: as many as processors and free memory allow]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: Option<u32>,
    /// If a function does not pass, try again up to N times; if it passes then, it is flaky
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub retries: u32,
    /// Run each function N times and report how often it fails, with a 95% interval; passes only if all do
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000), conflicts_with_all = ["retries", "accept", "shard", "record_timings"])]
    pub stress: Option<u32>,
    /// Fork from machines that have already pulled the function's images, by digest; they are made on first use, and the report says so
    #[arg(long)]
    pub from_cache: bool,
    /// Stop after the first function that does not pass
    #[arg(long)]
    pub fail_fast: bool,
    /// Parts of the suite
    #[command(flatten)]
    pub shards: ShardArgs,
    /// Reports
    #[command(flatten)]
    pub output: OutputArgs,
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
