//! `futon merge`.

use std::path::PathBuf;

use clap::Args;

/// `futon merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Folders that `futon test --out DIR` wrote, or folders above them
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,
    /// Folder for the merged report.json, report.html and suite.json
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Put the durations of functions that passed into FILE; what else is there stays
    #[arg(long, value_name = "FILE")]
    pub record_timings: Option<PathBuf>,
    /// Print the merged report, or what speaks against the merge, as JSON
    #[arg(long)]
    pub json: bool,
}
