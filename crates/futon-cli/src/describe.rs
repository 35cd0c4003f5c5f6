//! Flags of the commands that find out what a function offers.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::shared::limit;
use super::{MachineArgs, ResourcesArg};

/// Which function, and how to run it.
#[derive(Debug, Args)]
pub struct LookArgs {
    /// Function: an image name, an image archive as in ./my-function.tar, or a compose service
    #[arg(value_name = "IMAGE")]
    pub name: String,
    /// Compose file with the function [default: functions.yaml, functions/functions.yaml, or futon's samples]
    #[arg(long, value_name = "FILE")]
    pub functions: Option<PathBuf>,
    /// Limit of a step or wait, as in `futon test`
    #[arg(long = "limit", value_name = "STEP=DURATION", value_parser = limit)]
    pub limits: Vec<(String, Duration)>,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// Run it even if an earlier result is known
    #[arg(long)]
    pub again: bool,
    /// Show only what the image itself says, without a run
    #[arg(long, conflicts_with = "again")]
    pub no_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Which function
    #[command(flatten)]
    pub look: LookArgs,
}

/// `futon scaffold`.
#[derive(Debug, Args)]
pub struct ScaffoldArgs {
    /// File to write, with the schema beside it [default: standard output, with the schema by reflection]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Let tests ask the function for its schema instead of writing one beside the file
    #[arg(long, conflicts_with_all = ["proto", "protoset"])]
    pub reflection: bool,
    /// .proto file with the messages, for a server without reflection
    #[arg(long, value_name = "FILE")]
    pub proto: Vec<PathBuf>,
    /// The same as a descriptor set
    #[arg(long, value_name = "FILE", conflicts_with = "proto")]
    pub protoset: Option<PathBuf>,
    /// Run it even if an earlier result is known
    #[arg(long)]
    pub again: bool,
    /// Which function
    #[command(flatten)]
    pub look: LookArgs,
}
