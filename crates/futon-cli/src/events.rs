//! `--events`: the stream of what runs do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Command;

/// Where events go.
#[derive(Debug, Clone, Default, Args)]
pub struct EventsArg {
    /// Write what happens as it happens, one JSON object per line (docs/report.md), to a file or, with -, to standard output
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}

impl Command {
    /// Where the events of this command's runs go, if anywhere.
    pub fn events(&self) -> Option<&Path> {
        let events = match self {
            Self::Test(a) | Self::Evaluate(a) => &a.output.events,
            Self::Measure(a) => &a.test.output.events,
            Self::Load(a) => &a.output.events,
            Self::Exec(a) => &a.events,
            Self::Run(a) => &a.events,
            _ => return None,
        };
        events.events.as_deref()
    }
}
