//! `futon exec`, `serve` and `shell`; and what futon calls itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::shared::limit;
use super::{EventsArg, MachineArgs, ResourcesArg};

/// `futon exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Script: any executable text file; its exit status is the verdict (docs/scripts.md)
    pub script: PathBuf,
    /// File that the guest can fetch by its name (NAME=PATH for a different name)
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<String>,
    /// Folder to copy the guest's uploads to [default: they stay in runs/TIME/NAME/results/uploads]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Limit of a wait: boot, run, shutdown
    #[arg(long = "limit", value_name = "STEP=DURATION", value_parser = limit)]
    pub limits: Vec<(String, Duration)>,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Who is told
    #[command(flatten)]
    pub events: EventsArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Folder
    pub dir: PathBuf,
    /// Port on loopback
    #[arg(long, default_value_t = 3003)]
    pub port: u16,
    /// Also serve the function images of the resources folder (/v2/)
    #[arg(long)]
    pub images: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
}

/// `futon shell`.
#[derive(Debug, Args)]
pub struct ShellArgs {
    /// Folder of an earlier run, or its report.json: the run is made again, and the shell opens in its machine when a step fails
    #[arg(value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// The function of that run, if several failed
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon guard` and `futon shim`.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// What to start, as JSON
    pub arguments: String,
}
