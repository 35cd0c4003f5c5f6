//! `futon plan`.

use std::path::PathBuf;

use clap::Args;

use super::{MatrixArgs, ResourcesArg, TestArgs};

/// `futon plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Write a job: one file (NAME.futon) or folder with everything that shapes the results, which `futon run` runs anywhere
    #[arg(long, short, value_name = "JOB")]
    pub output: Option<PathBuf>,
    /// What is in the job
    #[command(flatten)]
    pub content: ContentArgs,
    /// A matrix of jobs
    #[command(flatten)]
    pub matrix: MatrixArgs,
    /// What is to run
    #[command(flatten)]
    pub test: TestArgs,
}

/// What a job has inside.
#[derive(Debug, Default, Args)]
pub struct ContentArgs {
    /// Leave base image, kernel and initrd out of the job: whoever runs it must have the same
    #[arg(long, requires = "output")]
    pub reference: bool,
    /// Put the job's files into DIR, by digest, where many jobs can share them; `futon run JOB --blobs DIR` finds them there
    #[arg(long, value_name = "DIR", requires = "output", conflicts_with = "reference")]
    pub blobs: Option<PathBuf>,
}

impl ContentArgs {
    /// For a job that runs on the host that made it.
    pub const HERE: Self = Self { reference: true, blobs: None };
}

/// `futon rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// Folder of an earlier run, its report.json, or one function's folder in it
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Functions [default: those that did not pass; if all passed, all]
    #[arg(value_name = "FUNCTION")]
    pub names: Vec<String>,
    /// Write a job (NAME.futon, or a folder) instead of running them
    #[arg(long, short, value_name = "JOB")]
    pub output: Option<PathBuf>,
    /// What is in the job
    #[command(flatten)]
    pub content: ContentArgs,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}
