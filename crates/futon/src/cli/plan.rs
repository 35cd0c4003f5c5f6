//! `futon plan`.

use std::path::PathBuf;

use clap::Args;

use super::TestArgs;

/// `futon plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Write a job: one file (NAME.futon) or folder with everything that shapes the results, which `futon run` runs anywhere
    #[arg(long, short, value_name = "JOB")]
    pub output: Option<PathBuf>,
    /// Leave base image, kernel and initrd out of the job: whoever runs it must have the same
    #[arg(long, requires = "output")]
    pub reference: bool,
    /// What is to run
    #[command(flatten)]
    pub test: TestArgs,
}
