//! `futon plan --matrix`.

use std::time::Duration;

use clap::Args;

/// A matrix of jobs for GitHub.
#[derive(Debug, Clone, Args)]
pub struct MatrixArgs {
    /// Print a matrix of shards as one line of JSON, for `fromJSON` in a workflow of GitHub's; it needs --shards or --target-duration
    #[arg(long)]
    pub matrix: bool,
    /// Number of shards; never more than there are functions
    #[arg(long, value_name = "N", requires = "matrix", conflicts_with = "target_duration", value_parser = clap::value_parser!(u32).range(1..))]
    pub shards: Option<u32>,
    /// As few shards as it takes for each to end in about this time, by --timings
    #[arg(long, value_name = "DURATION", requires = "matrix", value_parser = humantime::parse_duration)]
    pub target_duration: Option<Duration>,
}
