//! `futon completions`, and the manual pages.

use std::path::Path;

use clap::CommandFactory;
use futon_cli::Cli;
use futon_common::{Context, Result};
use futon_model::ExitCode;
use futon_terminal::Ui;

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell, ui: &Ui) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "futon", &mut script);
    ui.out(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::Passed)
}

/// Writes a manual page for futon and for each of its commands.
pub fn manual(folder: &Path) -> Result<ExitCode> {
    let command = Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder)
        .context(|| format!("cannot write manual pages into {}", folder.display()))?;
    Ok(ExitCode::Passed)
}
