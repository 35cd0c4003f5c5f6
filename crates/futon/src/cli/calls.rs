//! Flags and verbs of declared calls.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::ResourcesArg;

/// Declared calls (docs/calls.md).
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Calls")]
pub struct CallArgs {
    /// File with the function's calls, in place of its service's `x-futon`
    #[arg(long, value_name = "FILE", conflicts_with = "client")]
    pub calls: Option<PathBuf>,
    /// One call: package.Service/Method, or "METHOD /path" of HTTP
    #[arg(long, value_name = "CALL", conflicts_with_all = ["calls", "client"])]
    pub call: Option<String>,
    /// What the call sends: proto3 JSON, or HTTP's body in JSON
    #[arg(long, value_name = "JSON", requires = "call")]
    pub data: Option<String>,
    /// What it is to reply, in JSON; without it the status must be OK
    #[arg(long, value_name = "JSON", requires = "call")]
    pub expect: Option<String>,
    /// Description of the messages of --call
    #[arg(long, value_name = "FILE", requires = "call")]
    pub proto: Vec<PathBuf>,
    /// The same as a set of descriptors
    #[arg(long, value_name = "FILE", requires = "call")]
    pub protoset: Option<PathBuf>,
    /// Port of the container that --call calls
    #[arg(long, value_name = "PORT", requires = "call")]
    pub port: Option<u16>,
    /// --call goes over TLS; this certificate, or one that signs the function's, in PEM
    #[arg(long, value_name = "FILE", requires = "call")]
    pub cacert: Option<PathBuf>,
    /// --call goes over TLS; any certificate will do
    #[arg(long, requires = "call", conflicts_with = "cacert")]
    pub insecure: bool,
    /// Keep the replies as the snapshots that the calls name
    #[arg(long)]
    pub accept: bool,
}

/// Declared calls.
#[derive(Debug, Subcommand)]
pub enum CallsCommand {
    /// Say what is wrong with files of calls, without a machine
    Check {
        /// Files of calls, or compose files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print what was found as JSON
        #[arg(long)]
        json: bool,
    },
}
