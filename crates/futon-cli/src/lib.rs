//! The command line's grammar. The doc comments are the help texts.
#![warn(missing_docs)]

use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod calls;
mod config;
mod describe;
mod doctor;
mod events;
mod exec;
mod explicit;
mod gem5;
mod investigate;
mod list;
mod load;
mod machine;
mod matrix;
mod merge;
mod on;
mod plan;
mod report;
mod resources;
mod run;
mod selftest;
mod shard;
mod shared;
mod sweep;
mod test;
mod variables;

pub use calls::{CallArgs, CallsCommand};
pub use config::ConfigCommand;
pub use describe::{DescribeArgs, LookArgs, ScaffoldArgs};
pub use doctor::{DoctorArgs, DoctorFor};
pub use events::EventsArg;
pub use exec::{ExecArgs, GuardArgs, ServeArgs, ShellArgs};
pub use gem5::{Gem5Args, MeasureArgs, State, StatsCommand};
pub use investigate::InvestigateArgs;
pub use list::ListArgs;
pub use load::LoadArgs;
pub use machine::{Accel, BaseArg, MachineArgs, NetworkArg, ThawArg, WarmCommand, WarmMakeArgs};
pub use matrix::MatrixArgs;
pub use merge::MergeArgs;
pub use on::{On, fake_is_allowed};
pub use plan::{ContentArgs, PlanArgs, RerunArgs};
pub use report::{ReportCommand, ReportDiffArgs, ReportTrendArgs};
pub use resources::{DISK_SIZE, ImagesCommand, ResourcePart, ResourcesCommand};
pub use run::{BuildArgs, CheckArgs, RunArgs};
pub use selftest::{Gem5Command, SelftestArgs};
pub use shard::ShardArgs;
pub use shared::{ClientArgs, ProjectArgs, ResourcesArg};
pub use sweep::{ExecutorArg, SweepArgs, SweepCommand, SweepHow, SweepNewArgs};
pub use test::{ChosenArgs, OutputArgs, TestArgs};
pub use variables::forget_empty;

/// Run serverless functions on a virtual machine, and report with proof whether they work there.
#[derive(Debug, Parser)]
#[command(name = "futon", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print only errors and the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Profile of futon.toml whose settings win over the others (docs/config.md)
    #[arg(long, global = true, env = "FUTON_PROFILE", value_name = "NAME", help_heading = "Settings")]
    pub profile: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    every function passed, or the command succeeded
  1    a function failed; of `gem5 selftest`: a figure is off
  2    the command line or a configuration file is wrong
  3    the harness, the host or the base image failed; of `merge`: the results do not make one suite
  4    nothing to run
  130  interrupted

Start with `futon doctor`; then `futon resources build`, `futon images build` and `futon test`.";

impl Cli {
    /// Reads the program's command line, as [`Parser::parse`] does, and notes which flags of the machine it has.
    #[must_use]
    pub fn read() -> Self {
        Self::of(&Self::command().get_matches())
    }

    /// The flags of `futon test` that these words are.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn test_args(words: &[String]) -> Result<TestArgs, String> {
        let words = ["futon", "test"].into_iter().chain(words.iter().map(String::as_str));
        // What follows the first line is about the command line as a whole.
        let first = |e: clap::Error| e.to_string().lines().next().unwrap_or_default().replacen("error: ", "", 1);
        let matches = Self::command().try_get_matches_from(words).map_err(first)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(first)?;
        explicit::note(&mut cli.command, &matches);
        match cli.command {
            Command::Test(args) => Ok(args),
            _ => Err("no test".into()),
        }
    }

    /// The command line that these words are.
    ///
    /// # Errors
    /// When they are none.
    pub fn of_words(words: &[&str]) -> Result<Self, futon_common::Error> {
        let matches = Self::command().try_get_matches_from(words);
        matches.map(|matches| Self::of(&matches)).map_err(|e| futon_common::Error::usage(e.to_string()))
    }

    fn of(matches: &clap::ArgMatches) -> Self {
        let mut cli = Self::from_arg_matches(matches).unwrap_or_else(|e| e.exit());
        explicit::note(&mut cli.command, matches);
        cli
    }
}

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
    Setup(TestArgs),
    /// Invoke functions on the measured core, from the checkpoints that `setup` made (gem5)
    Evaluate(TestArgs),
    /// Measure functions on simulated cores: several perturbed runs, means with 95% intervals (gem5)
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
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn completions_can_be_made_for_every_shell() {
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "futon", &mut script);
            assert!(script.len() > 1000, "{shell}");
        }
    }

    #[test]
    fn a_general_option_is_not_shown_as_one_of_gem5() {
        for verb in ["test", "run", "exec", "shell"] {
            let mut cli = Cli::command();
            let help = cli.find_subcommand_mut(verb).unwrap().render_long_help().to_string();
            let (general, gem5) = help.split_once("gem5 (with --on gem5):").unwrap();
            for option in ["--base-image", "--kernel", "--cold", "--base <"] {
                assert!(general.contains(option) && !gem5.contains(option), "{verb} {option}");
            }
            assert!(gem5.contains("--uarch-warmup") && !gem5.contains("--json"), "{verb}");
        }
    }
}
