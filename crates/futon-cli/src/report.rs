//! `futon report`: flags.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `futon report …`.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Show what differs between two runs: verdicts, times and counts beyond noise, inputs
    Diff(ReportDiffArgs),
    /// Show how functions fared over many runs: verdicts, pass rates, times, and since when one fails
    Trend(ReportTrendArgs),
}

/// `futon report diff`.
#[derive(Debug, Args)]
pub struct ReportDiffArgs {
    /// The earlier run: its folder, or its report.json
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The later run
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// End with exit status 1 if a verdict is worse, or a figure differs by more than noise
    #[arg(long)]
    pub fail_on_change: bool,
    /// With --fail-on-change: also if only latencies of an emulated machine differ, which say little
    #[arg(long, requires = "fail_on_change")]
    pub emulated: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `futon report trend`.
#[derive(Debug, Args)]
pub struct ReportTrendArgs {
    /// Runs: their folders, report.json files, or a folder of such folders, as runs/ is
    #[arg(required = true, value_name = "DIR")]
    pub runs: Vec<PathBuf>,
    /// Write a page with charts
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
