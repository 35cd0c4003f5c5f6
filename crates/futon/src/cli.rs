//! The command line's grammar. The doc comments are the help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

mod calls;
mod config;
mod describe;
mod events;
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
mod selftest;
mod shard;
mod sweep;

use futon_model::{GenType, Limits, LoadPlan};

use crate::commands::default_resources;

pub use calls::{CallArgs, CallsCommand};
pub use config::ConfigCommand;
pub use describe::{DescribeArgs, LookArgs, ScaffoldArgs};
pub use events::{EventsArg, Listeners};
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
pub use selftest::{Gem5Command, SelftestArgs};
pub use shard::ShardArgs;
pub use sweep::{ExecutorArg, SweepArgs, SweepCommand, SweepHow, SweepNewArgs};

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

    /// The same for words from a test.
    #[cfg(test)]
    pub fn read_from(words: &[&str]) -> Self {
        Self::of(&Self::command().get_matches_from(words))
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

/// Where resources are.
#[derive(Debug, Clone, Args)]
pub struct ResourcesArg {
    /// Folder for base image, kernel, guest tools and function images [default: resources; if futon is installed, ~/.local/share/futon]
    #[arg(long, env = "RESOURCES", default_value_os_t = default_resources(), hide_default_value = true, value_name = "DIR")]
    pub resources: PathBuf,
}

/// `futon doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// What to check for
    #[arg(long, value_enum, default_value_t = DoctorFor::Qemu, value_name = "MACHINE")]
    pub machine: DoctorFor,
    /// Check only what building resources and images needs, not the resources themselves
    #[arg(long)]
    pub host_only: bool,
    /// Try KVM again even if an earlier result is known
    #[arg(long)]
    pub probe: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Machines that `doctor` can check for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorFor {
    /// QEMU
    Qemu,
    /// gem5
    Gem5,
}

/// What to test.
#[derive(Debug, Clone, Args)]
pub struct ProjectArgs {
    /// Compose file with the functions [default: functions.yaml, functions/functions.yaml, or futon's samples]
    #[arg(long, value_name = "FILE")]
    pub functions: Option<PathBuf>,
    /// Start all services of the compose file, as `docker compose up` does; none of them may fail
    #[arg(long)]
    pub whole: bool,
    /// Project settings [default: futon.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Your own run script or template, instead of futon's
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Limit of a step or wait: boot, fetch, pull, start, ready, invoke, call, log, stop, upload, shutdown, run
    #[arg(long = "limit", value_name = "STEP=DURATION", value_parser = limit)]
    pub limits: Vec<(String, Duration)>,
    /// File that the guest can fetch by its name (NAME=PATH for a different name)
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<String>,
}

/// How to invoke.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientArgs {
    /// Verified invocations per function [default: 20; for declared calls, each call once]
    #[arg(long, short = 'n', value_name = "N")]
    pub invocations: Option<u64>,
    /// Warm-up invocations per function [default: 0]
    #[arg(long, short = 'w', value_name = "N")]
    pub warmup: Option<u64>,
    /// The test client's name for the function [default: service name, image's base name]
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Method to call, by name or number [default: 0]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Input of the calls [default: 1]
    #[arg(long, value_name = "VALUE")]
    pub input: Option<String>,
    /// How inputs are made [default: unique]
    #[arg(long, value_name = "HOW", value_parser = gen_type_parser())]
    pub gen_type: Option<GenType>,
    /// Seed of random inputs
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub calls: CallArgs,
    /// How a load sends calls (`futon load`)
    #[arg(skip)]
    pub load: Option<LoadPlan>,
}

/// `futon build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Function: a compose service, or an image name
    #[arg(value_name = "FUNCTION")]
    pub function: String,
    /// Working directory
    #[arg(long, env = "WORKING_DIR", default_value = "test_dir", value_name = "DIR")]
    pub dir: PathBuf,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// What to test
    #[command(flatten)]
    pub project: ProjectArgs,
    /// How to invoke
    #[command(flatten)]
    pub client: ClientArgs,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Job to run: a file or folder made by `futon plan -o` or `futon rerun -o` [default: the working directory]
    #[arg(value_name = "JOB")]
    pub job: Option<PathBuf>,
    /// Working directory
    #[arg(long, env = "WORKING_DIR", default_value = "test_dir", value_name = "DIR")]
    pub dir: PathBuf,
    /// Folder for a job's working directories and reports [default: runs/TIME]
    #[arg(long, value_name = "DIR", requires = "job")]
    pub out: Option<PathBuf>,
    /// Folder in which the job's files are, if it was made with --blobs
    #[arg(long, value_name = "DIR", requires = "job")]
    pub blobs: Option<PathBuf>,
    /// Run a job even if gem5, or the QEMU in which its guest boots, differs from those it was made with: its figures may differ
    #[arg(long, requires = "job")]
    pub other_programs: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub events: EventsArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Working directory
    #[arg(long, env = "WORKING_DIR", default_value = "test_dir", value_name = "DIR")]
    pub dir: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Reports of `futon test`.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Print the report as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    #[command(flatten)]
    pub events: EventsArg,
    /// Folder for working directories and reports [default: runs/TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Keep the run's disks
    #[arg(long)]
    pub keep_disks: bool,
}

/// Which functions.
#[derive(Debug, Default, Args)]
pub struct ChosenArgs {
    /// Functions: compose services, image names, or image archives, as in ./my-function.tar
    #[arg(value_name = "FUNCTION")]
    pub names: Vec<String>,
    /// File with one function per line, used if you name none [default: functions.list beside the compose file]
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// All services of the compose file that declare calls or that a built-in client knows
    #[arg(long, conflicts_with_all = ["names", "list", "calls", "call", "client"])]
    pub all: bool,
}

/// `futon test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Which functions
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Number of machines side by side [default: as many as processors and free memory allow]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: Option<u32>,
    /// If a function does not pass, try again up to N times; if it passes then, it is flaky
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub retries: u32,
    /// Run each function N times and report how often it fails, with a 95% interval; passes only if all do
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000), conflicts_with_all = ["retries", "accept", "shard", "record_timings"])]
    pub stress: Option<u32>,
    /// Fork from machines that have already pulled the function's images, by digest; they are made on first use, and the report says so
    #[arg(long)]
    pub from_cache: bool,
    /// Stop after the first function that does not pass
    #[arg(long)]
    pub fail_fast: bool,
    /// Parts of the suite
    #[command(flatten)]
    pub shards: ShardArgs,
    /// Reports
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// What to test
    #[command(flatten)]
    pub project: ProjectArgs,
    /// How to invoke
    #[command(flatten)]
    pub client: ClientArgs,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Script: any executable text file; its exit status is the verdict (docs/scripts.md)
    pub script: PathBuf,
    /// File that the guest can fetch by its name (NAME=PATH for a different name)
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<String>,
    /// Folder to copy the guest's uploads to [default: they stay in runs/TIME/NAME/results/uploads]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Limit of a wait: boot, run, shutdown
    #[arg(long = "limit", value_name = "STEP=DURATION", value_parser = limit)]
    pub limits: Vec<(String, Duration)>,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub events: EventsArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Folder
    pub dir: PathBuf,
    /// Port on loopback
    #[arg(long, default_value_t = 3003)]
    pub port: u16,
    /// Also serve the function images of the resources folder (/v2/)
    #[arg(long)]
    pub images: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
}

/// `futon shell`.
#[derive(Debug, Args)]
pub struct ShellArgs {
    /// Folder of an earlier run, or its report.json: the run is made again, and the shell opens in its machine when a step fails
    #[arg(value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// The function of that run, if several failed
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `futon guard` and `futon shim`.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// What to start, as JSON
    pub arguments: String,
}

/// Takes the words of [`GenType`], and shows them in help and completions.
fn gen_type_parser() -> impl clap::builder::TypedValueParser<Value = GenType> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(GenType::ALL.map(GenType::word)).try_map(|word| word.parse())
}

fn limit(text: &str) -> Result<(String, Duration), String> {
    let (name, length) = text.split_once('=').ok_or("write it as STEP=DURATION, as in pull=5m")?;
    if !Limits::NAMES.contains(&name) {
        return Err(format!("there is no limit {name:?}; the limits are {}", Limits::NAMES.join(", ")));
    }
    let length = humantime::parse_duration(length).map_err(|e| format!("{length:?} is not a duration: {e}"))?;
    Ok((name.to_owned(), length))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn limits_are_checked() {
        assert_eq!(limit("pull=5m"), Ok(("pull".into(), Duration::from_secs(300))));
        for bad in ["pull", "pul=5m", "pull=5"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
