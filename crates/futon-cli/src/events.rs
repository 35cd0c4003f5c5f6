//! `--events`: the stream of what runs do.

use std::path::PathBuf;

use clap::Args;

/// Where events go.
#[derive(Debug, Clone, Default, Args)]
pub struct EventsArg {
    /// Write what happens as it happens, one JSON object per line (docs/report.md), to a file or, with -, to standard output
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}
