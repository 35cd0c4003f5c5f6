//! Flags and verbs of declared calls.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::ResourcesArg;

/// Declared calls (docs/calls.md).
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Calls")]
pub struct CallArgs {
    /// File with the function's calls, instead of its service's `x-futon`
    #[arg(long, value_name = "FILE", conflicts_with = "client")]
    pub calls: Option<PathBuf>,
    /// One call: package.Service/Method, or "METHOD /path" for HTTP
    #[arg(long, value_name = "CALL", conflicts_with_all = ["calls", "client"])]
    pub call: Option<String>,
    /// Request of the call: proto3 JSON, or the HTTP body as JSON
    #[arg(long, value_name = "JSON", requires = "call")]
    pub data: Option<String>,
    /// Expected reply, in JSON; without it the status must be OK
    #[arg(long, value_name = "JSON", requires = "call")]
    pub expect: Option<String>,
    /// .proto file with the messages of --call
    #[arg(long, value_name = "FILE", requires = "call")]
    pub proto: Vec<PathBuf>,
    /// The same as a descriptor set
    #[arg(long, value_name = "FILE", requires = "call")]
    pub protoset: Option<PathBuf>,
    /// Port of the container that --call calls
    #[arg(long, value_name = "PORT", requires = "call", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// --call uses TLS; PEM file with the function's certificate, or one that signs it
    #[arg(long, value_name = "FILE", requires = "call")]
    pub cacert: Option<PathBuf>,
    /// --call uses TLS and accepts any certificate
    #[arg(long, requires = "call", conflicts_with = "cacert")]
    pub insecure: bool,
    /// The client's own certificate for --call over TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Save the replies as the snapshots that the calls name
    #[arg(long)]
    pub accept: bool,
}

/// Declared calls.
#[derive(Debug, Subcommand)]
pub enum CallsCommand {
    /// Report errors in call files, without a machine
    Check {
        /// Call files, or compose files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
    },
}
