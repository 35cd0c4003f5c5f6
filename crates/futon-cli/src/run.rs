//! `futon build`, `run` and `check`: one working directory.

use std::path::PathBuf;

use clap::Args;

use super::{ClientArgs, EventsArg, MachineArgs, ProjectArgs, ResourcesArg};

/// `futon build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Function: a compose service, or an image name
    #[arg(value_name = "FUNCTION")]
    pub function: String,
    /// Working directory
    #[arg(long, env = "WORKING_DIR", default_value = "test_dir", value_name = "DIR")]
    pub dir: PathBuf,
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

/// `futon run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Job to run: a file or folder made by `futon plan -o` or `futon rerun -o` [default: the working directory]
    #[arg(value_name = "JOB")]
    pub job: Option<PathBuf>,
    /// Working directory
    #[arg(long, env = "WORKING_DIR", default_value = "test_dir", value_name = "DIR")]
    pub dir: PathBuf,
    /// Folder for a job's working directories and reports [default: runs/TIME]
    #[arg(long, value_name = "DIR", requires = "job")]
    pub out: Option<PathBuf>,
    /// Folder in which the job's files are, if it was made with --blobs
    #[arg(long, value_name = "DIR", requires = "job")]
    pub blobs: Option<PathBuf>,
    /// Run a job even if gem5, or the QEMU in which its guest boots, differs from those it was made with: its figures may differ
    #[arg(long, requires = "job")]
    pub other_programs: bool,
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

/// `futon check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Working directory
    #[arg(long, env = "WORKING_DIR", default_value = "test_dir", value_name = "DIR")]
    pub dir: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}
