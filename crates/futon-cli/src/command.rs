//! The commands. The doc comments are the help texts.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::adjust;
use super::calls::CallsCommand;
use super::config::ConfigCommand;
use super::describe::{DescribeArgs, ScaffoldArgs};
use super::doctor::DoctorArgs;
use super::exec::{ExecArgs, GuardArgs, ServeArgs, ShellArgs};
use super::investigate::InvestigateArgs;
use super::list::ListArgs;
use super::load::LoadArgs;
use super::machine::WarmCommand;
use super::measure::{MeasureArgs, StatsCommand};
use super::merge::MergeArgs;
use super::plan::{PlanArgs, RerunArgs};
use super::report::ReportCommand;
use super::resources::{ImagesCommand, ResourcesCommand};
use super::run::{BuildArgs, CheckArgs, RunArgs};
use super::selftest::Gem5Command;
use super::sweep::SweepArgs;
use super::test::TestArgs;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check this machine: what is missing, and how to get it
    Doctor(DoctorArgs),
    /// Build, list or verify the base image, kernel and guest tools
    #[command(subcommand)]
    Resources(ResourcesCommand),
    /// Build, add or list function images
    #[command(subcommand)]
    Images(ImagesCommand),
    /// Make a working directory for one function: disk, run script, plan
    Build(BuildArgs),
    /// Run a working directory, or a job
    Run(RunArgs),
    /// Run functions of an earlier run again, or make a job of them that runs anywhere
    Rerun(RerunArgs),
    /// Find out whose fault a failed run is: the function's, the base's, or luck
    Investigate(InvestigateArgs),
    /// Judge the last run of a working directory
    Check(CheckArgs),
    /// Build, run and check functions; without names, those in the list file
    Test(TestArgs),
    /// List what `futon test` would run: images, calls, weights, shards; no machine starts
    List(Box<ListArgs>),
    /// Show everything that shapes each function's result, by digest, or plan the jobs of a suite's shards; no machine starts
    #[command(mut_args(adjust::plan))]
    Plan(Box<PlanArgs>),
    /// Merge the runs of a suite's shards into one report, if they prove that nothing is missing or differs
    ///
    /// The exit status is that of the merged verdicts. If the results do not make one suite, it is 3: each gap, difference and altered
    /// result is named, and nothing is written.
    Merge(MergeArgs),
    /// Load-test a function: many calls at once or at a given rate, every reply verified
    Load(LoadArgs),
    /// Show what a function is, and what it offers while it runs: ports, protocols, gRPC methods, health
    Describe(Box<DescribeArgs>),
    /// Write a compose service that calls each of a function's methods, ready to test
    Scaffold(Box<ScaffoldArgs>),
    /// Check call files
    #[command(subcommand)]
    Calls(CallsCommand),
    /// Simulate functions up to their checkpoints: booted, started, warmed up (gem5)
    #[command(mut_args(adjust::setup))]
    Setup(TestArgs),
    /// Invoke functions on the measured core, from the checkpoints that `setup` made (gem5)
    #[command(mut_args(adjust::only_gem5))]
    Evaluate(TestArgs),
    /// Measure functions on simulated cores: several perturbed runs, means with 95% intervals (gem5)
    #[command(mut_args(adjust::measure))]
    Measure(MeasureArgs),
    /// Check what is simulated (gem5)
    #[command(subcommand)]
    Gem5(Gem5Command),
    /// Make many cells (functions × machines × parameters × seeds), here or by Slurm; what has a result is not run again
    Sweep(Box<SweepArgs>),
    /// Read statistics and draw charts of simulated invocations
    #[command(subcommand)]
    Stats(StatsCommand),
    /// Show the settings in effect, or their schema
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Compare stored reports
    #[command(subcommand)]
    Report(ReportCommand),
    /// Run any script in the guest and collect what it uploads
    Exec(ExecArgs),
    /// Serve a folder like the exchange does: downloads and uploads
    Serve(ServeArgs),
    /// Boot the base image and open its console, or a failed run's machine at the step that fails
    Shell(ShellArgs),
    /// List, make or remove warm bases: booted machines from which runs are forked
    #[command(subcommand)]
    Warm(WarmCommand),
    /// Print a completion script for your shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder (used when futon is packaged)
    #[command(hide = true)]
    Manual {
        /// Folder
        folder: PathBuf,
    },
    /// Watch over a machine (used by futon itself)
    #[command(hide = true)]
    Guard(GuardArgs),
    /// Start a process that is to be frozen or continued (used by futon itself)
    #[command(hide = true)]
    Shim(GuardArgs),
}

impl Command {
    /// Whether standard output is for a program.
    pub fn prints_json(&self) -> bool {
        match self {
            Self::Doctor(a) => a.json,
            Self::Run(a) => a.json,
            Self::Rerun(a) => a.json,
            Self::Investigate(a) => a.json,
            Self::Check(a) => a.json,
            Self::Test(a) | Self::Evaluate(a) => a.output.json,
            Self::List(a) => a.json,
            Self::Merge(a) => a.json,
            Self::Measure(a) => a.test.output.json,
            Self::Gem5(Gem5Command::Selftest(a)) => a.json,
            Self::Plan(a) => a.test.output.json || a.matrix.matrix,
            Self::Sweep(a) => a.prints_json(),
            Self::Load(a) => a.output.json,
            Self::Exec(a) => a.json,
            Self::Describe(a) => a.json,
            Self::Report(ReportCommand::Diff(a)) => a.json,
            Self::Report(ReportCommand::Trend(a)) => a.json,
            Self::Config(ConfigCommand::Show(a)) => a.test.output.json,
            Self::Resources(ResourcesCommand::List { json, .. })
            | Self::Images(ImagesCommand::List { json, .. })
            | Self::Calls(CallsCommand::Check { json, .. })
            | Self::Warm(WarmCommand::List { json, .. }) => *json,
            _ => false,
        }
    }

    /// Where the events of this command's runs go, if anywhere.
    pub fn events(&self) -> Option<&Path> {
        let events = match self {
            Self::Test(a) | Self::Evaluate(a) => &a.output.events,
            Self::Measure(a) => &a.test.output.events,
            Self::Load(a) => &a.output.events,
            Self::Exec(a) => &a.events,
            Self::Run(a) => &a.events,
            _ => return None,
        };
        events.events.as_deref()
    }
}
