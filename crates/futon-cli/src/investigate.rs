//! `futon investigate`.

use std::path::PathBuf;

use clap::Args;

use super::ResourcesArg;

/// `futon investigate`.
#[derive(Debug, Args)]
pub struct InvestigateArgs {
    /// The failed run: its folder, its report.json, or a job of it (`futon rerun RUN -o`)
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The function, if several failed
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// A good run of the function, or a job of one [default: the last run below runs/ in which it passed]
    #[arg(long, value_name = "RUN")]
    pub good: Option<PathBuf>,
    /// Folder in which files of jobs are that were made with --blobs
    #[arg(long, value_name = "DIR")]
    pub blobs: Option<PathBuf>,
    /// Runs of each combination
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub times: u32,
    /// Folder for working directories and the findings [default: runs/TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
