//! Parts of a suite, and what their functions weigh.

use std::path::PathBuf;

use clap::Args;
use futon_cells::Shard;

/// Parts of a suite.
#[derive(Debug, Clone, Default, Args)]
pub struct ShardArgs {
    /// Only this part of the functions: 2/4 is the second of four that take about the same time (docs/ci.md)
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Durations of earlier runs, for shards and for the order side by side [default: by the sizes of images]
    #[arg(long, value_name = "FILE")]
    pub timings: Option<PathBuf>,
    /// Put the durations of functions that pass into FILE; what else is there stays
    #[arg(long, value_name = "FILE")]
    pub record_timings: Option<PathBuf>,
}
