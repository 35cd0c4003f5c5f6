//! `futon config`: flags.

use clap::{Args, Subcommand};

use super::TestArgs;

/// `futon config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting in effect, and where it is from
    #[command(mut_args(super::adjust::config_show))]
    Show(Box<ConfigShowArgs>),
    /// Print the JSON schema of futon.toml
    Schema,
}

/// `futon config show`.
#[derive(Debug, Args)]
pub struct ConfigShowArgs {
    /// The test that the settings are for: its function, its flags
    #[command(flatten)]
    pub test: TestArgs,
}
