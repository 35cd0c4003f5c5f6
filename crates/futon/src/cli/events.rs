//! `--events`, and who else listens to runs.

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

/// Those who listen to a command's runs.
#[derive(Debug, Default)]
pub struct Listeners<'a> {
    /// `--events`.
    pub events: Option<&'a Path>,
}

impl Command {
    /// Whom the command line lets listen.
    pub fn listeners(&self) -> Listeners<'_> {
        let events = match self {
            Self::Test(a) | Self::Evaluate(a) => &a.output.events,
            Self::Measure(a) => &a.test.output.events,
            Self::Load(a) => &a.output.events,
            Self::Exec(a) => &a.events,
            Self::Run(a) => &a.events,
            _ => return Listeners::default(),
        };
        Listeners { events: events.events.as_deref() }
    }
}
