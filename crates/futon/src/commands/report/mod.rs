//! `futon report`: stored reports side by side, and one after the other.

mod compare;
mod follow;
mod samples;
mod stored;

pub use stored::{Stored, below};

use futon_common::Result;
use futon_model::ExitCode;

use futon_cli::ReportCommand;
use futon_terminal::Ui;

/// Does what the command says.
pub fn report(command: &ReportCommand, ui: &mut Ui) -> Result<ExitCode> {
    match command {
        ReportCommand::Diff(args) => compare::compare(args, ui),
        ReportCommand::Trend(args) => follow::follow(args, ui),
    }
}
