//! `futon completions`.

use clap::CommandFactory;
use futon_model::ExitCode;

use crate::cli::Cli;

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> ExitCode {
    clap_complete::generate(shell, &mut Cli::command(), "futon", &mut std::io::stdout());
    ExitCode::Passed
}
