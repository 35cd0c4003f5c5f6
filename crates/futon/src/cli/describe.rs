//! Flags of the verbs that find out what a function offers.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{MachineArgs, ResourcesArg, limit};

/// Which function, and how it is run to be looked at.
#[derive(Debug, Args)]
pub struct LookArgs {
    /// Function: an image name, an image archive as in ./my-function.tar, or a compose service
    #[arg(value_name = "IMAGE")]
    pub name: String,
    /// Compose file with the function [default: functions.yaml, functions/functions.yaml, or futon's samples]
    #[arg(long, value_name = "FILE")]
    pub functions: Option<PathBuf>,
    /// Limit of a step or wait, as `futon test` has it
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
    /// Run it even if what it offers is known
    #[arg(long)]
    pub again: bool,
    /// Say only what the image itself says
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
    /// File to write, with the schema beside it [default: standard output, and the schema by reflection]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Let tests ask the function for its schema, and write none beside the file
    #[arg(long, conflicts_with_all = ["proto", "protoset"])]
    pub reflection: bool,
    /// Description of the messages, for a server without reflection
    #[arg(long, value_name = "FILE")]
    pub proto: Vec<PathBuf>,
    /// The same as a set of descriptors
    #[arg(long, value_name = "FILE", conflicts_with = "proto")]
    pub protoset: Option<PathBuf>,
    /// Run it even if what it offers is known
    #[arg(long)]
    pub again: bool,
    /// Which function
    #[command(flatten)]
    pub look: LookArgs,
}
