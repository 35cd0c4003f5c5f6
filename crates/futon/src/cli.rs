//! The command line's grammar. The doc comments are the help texts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

mod calls;
mod describe;
mod explicit;
mod gem5;
mod load;
mod on;

use futon_model::{GenType, LoadPlan};

use crate::commands::default_resources;

pub use calls::{CallArgs, CallsCommand};
pub use describe::{DescribeArgs, LookArgs, ScaffoldArgs};
pub use gem5::{Gem5Args, StatsCommand};
pub use load::LoadArgs;
pub use on::{On, fake_is_allowed};

/// Run serverless functions on a virtual machine, and report with proof whether they work there.
#[derive(Debug, Parser)]
#[command(name = "futon", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print only errors and the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    every function passed, or the command succeeded
  1    a function failed
  2    the command line or a configuration file is wrong
  3    the harness, the host or the base image failed
  4    nothing to run
  130  interrupted

Start with `futon doctor`; then `futon resources build`, `futon images build` and `futon test`.";

impl Cli {
    /// Reads the program's command line, as [`Parser::parse`] does, and notes which flags of the machine it has.
    #[must_use]
    pub fn read() -> Self {
        Self::of(&Self::command().get_matches())
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
    /// Run a working directory
    Run(RunArgs),
    /// Judge the last run of a working directory
    Check(CheckArgs),
    /// Build, run and check functions; without names, those in the list file
    Test(TestArgs),
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
    /// Read statistics and draw charts of simulated invocations
    #[command(subcommand)]
    Stats(StatsCommand),
    /// Run any script in the guest and collect what it uploads
    Exec(ExecArgs),
    /// Serve a folder like the exchange does: downloads and uploads
    Serve(ServeArgs),
    /// Boot the base image and open its console
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
            Self::Check(a) => a.json,
            Self::Test(a) | Self::Evaluate(a) => a.output.json,
            Self::Load(a) => a.output.json,
            Self::Exec(a) => a.json,
            Self::Describe(a) => a.json,
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

/// `futon resources …`.
#[derive(Debug, Subcommand)]
pub enum ResourcesCommand {
    /// Build what is missing or out of date, from Debian's packages
    Build {
        /// What to build [default: base]
        #[arg(value_enum)]
        parts: Vec<ResourcePart>,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Virtual size of the base image's disk
        #[arg(long, default_value = DISK_SIZE, value_name = "SIZE", value_parser = disk_size)]
        disk_size: String,
        /// Build even if everything is up to date
        #[arg(long)]
        force: bool,
        /// Refresh only the guest tools
        #[arg(long)]
        tools_only: bool,
    },
    /// List resources
    List {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe the resources in gem5's format (JSON, for GEM5_RESOURCE_JSON_APPEND)
    ExportGem5 {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// File to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Compare all resources and function images with their hashes
    Verify {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
}

/// Default virtual size of the base image's disk.
pub const DISK_SIZE: &str = "8G";

/// What `futon resources build` can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResourcePart {
    /// The docker base: disk image, Debian's kernel, initrd
    Base,
    /// The lean guest's kernel, one vmlinux for QEMU and gem5
    Kernel,
    /// The lean guest's initramfs
    Lean,
    /// Docker Compose, which reads compose files (built with every other part, too)
    Compose,
}

/// `futon images …`.
#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// Build the sample functions' images (without names, all in functions.list)
    Build {
        /// Functions
        functions: Vec<String>,
        /// Build all sample functions
        #[arg(long)]
        all: bool,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
    /// Add an image: an OCI layout's folder, a `docker save` archive, or a name in a registry
    Add {
        /// OCI layout folder, archive file, or image name
        source: String,
        /// Name under which guests pull it (needed for an OCI layout) [default: its own name]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The registry uses plain HTTP, or a certificate that this machine does not trust
        #[arg(long)]
        insecure: bool,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
    /// List images
    List {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what the store knows about an image: digests, platforms, layers, how it is run
    Show {
        /// Image name
        name: String,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove images, and the blobs that no other image needs
    Rm {
        /// Image names
        #[arg(required = true)]
        names: Vec<String>,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove unused blobs, and files left by interrupted adds
    Prune {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
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

/// The machine.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// Machine to run on
    #[arg(long, default_value_t = On::Qemu, value_name = "MACHINE", value_parser = on::OnParser)]
    pub on: On,
    /// The guest: Debian with Docker Engine, or only a kernel and crun, which boots in a second
    #[arg(long, value_enum, default_value_t = BaseArg::Docker, value_name = "BASE")]
    pub base: BaseArg,
    /// Accelerator; auto uses KVM only if a probe boots under it
    #[arg(long, value_enum, default_value_t = Accel::Auto, value_name = "ACCEL")]
    pub accel: Accel,
    /// Virtual processors [default: 2; machines that run side by side share the host's processors, 1 or 2 each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub vcpus: Option<u32>,
    /// Memory of the machine, MiB [default: 2048]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(128..))]
    pub memory: Option<u32>,
    /// What the guest reaches: only its exchange, or everything that the host reaches
    #[arg(long, value_enum, value_name = "NETWORK")]
    pub network: Option<NetworkArg>,
    /// Your own base image (raw or qcow2) instead of the one in the resources
    #[arg(long, value_name = "FILE")]
    pub base_image: Option<PathBuf>,
    /// Your own kernel (bzImage, or vmlinux with a PVH entry)
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Initrd for your own kernel
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Root device in the guest [default: /dev/vda, on gem5 /dev/sda]
    #[arg(long, value_name = "DEVICE")]
    pub root: Option<String>,
    /// Kernel command line instead of the recommended one (in QEMU root= and rw are added; futon recognises a kernel panic by its time
    /// stamp, printk.time=1)
    #[arg(long, value_name = "LINE")]
    pub cmdline: Option<String>,
    /// More kernel arguments
    #[arg(long, value_name = "LINE")]
    pub append: Option<String>,
    /// Boot each machine from scratch instead of forking a warm base
    #[arg(long)]
    pub cold: bool,
    /// Without KVM: freeze QEMU itself with the warm base, so that forks keep the translated guest code [default: off]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub thaw: Option<ThawArg>,
    /// The simulated machine
    #[command(flatten)]
    pub gem5: Gem5Args,
    /// Ids of the arguments that were on the command line
    #[arg(skip)]
    #[serde(skip)]
    pub explicit: BTreeSet<String>,
}

/// `futon warm`.
#[derive(Debug, Subcommand)]
pub enum WarmCommand {
    /// List warm bases, the most recently used first
    List {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the warm base of a machine if there is none yet
    Make(Box<WarmMakeArgs>),
    /// Remove warm bases; without names, all
    Rm {
        /// Names, as `futon warm list` prints them
        ids: Vec<String>,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
}

/// `futon warm make`.
#[derive(Debug, Args)]
pub struct WarmMakeArgs {
    /// Make it again even if it exists
    #[arg(long)]
    pub force: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Bases on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum BaseArg {
    /// Debian, systemd, Docker Engine
    Docker,
    /// futon's own kernel and initramfs, crun
    Lean,
}

/// Whether forks go on as a frozen QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum ThawArg {
    /// Where it works; forks are plain ones elsewhere
    Auto,
    /// Never
    Off,
}

/// Accelerators on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Accel {
    /// KVM if a probe shows that it helps, else TCG
    Auto,
    /// Always KVM
    Kvm,
    /// QEMU's translator
    Tcg,
}

/// Networks on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum NetworkArg {
    /// Only the exchange
    Isolated,
    /// Everything that the host reaches
    Host,
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
    /// Working directory
    #[arg(long, env = "WORKING_DIR", default_value = "test_dir", value_name = "DIR")]
    pub dir: PathBuf,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
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
    /// Folder for working directories and reports [default: runs/TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Keep the run's disks
    #[arg(long)]
    pub keep_disks: bool,
}

/// `futon test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Functions: compose services, image names, or image archives, as in ./my-function.tar
    #[arg(value_name = "FUNCTION")]
    pub names: Vec<String>,
    /// File with one function per line, used if you name none [default: functions.list beside the compose file]
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// Test all services of the compose file that declare calls or that a built-in client knows
    #[arg(long, conflicts_with_all = ["names", "list", "calls", "call", "client"])]
    pub all: bool,
    /// Number of machines side by side [default: as many as processors and free memory allow]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: Option<u32>,
    /// If a function does not pass, try again up to N times; if it passes then, it is flaky
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub retries: u32,
    /// Fork from machines that have already pulled the function's images, by digest; they are made on first use, and the report says so
    #[arg(long)]
    pub from_cache: bool,
    /// Stop after the first function that does not pass
    #[arg(long)]
    pub fail_fast: bool,
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

/// Names of limits.
const LIMITS: [&str; 12] =
    ["boot", "fetch", "pull", "start", "ready", "invoke", "call", "log", "stop", "upload", "shutdown", "run"];

fn limit(text: &str) -> Result<(String, Duration), String> {
    let (name, length) = text.split_once('=').ok_or("write it as STEP=DURATION, as in pull=5m")?;
    if !LIMITS.contains(&name) {
        return Err(format!("there is no limit {name:?}; the limits are {}", LIMITS.join(", ")));
    }
    let length = humantime::parse_duration(length).map_err(|e| format!("{length:?} is not a duration: {e}"))?;
    Ok((name.to_owned(), length))
}

/// A size in the format of `truncate`, with M or G.
fn disk_size(text: &str) -> Result<String, String> {
    let digits = text.strip_suffix(['M', 'G']).ok_or("write it with M or G, as in 16G")?;
    let number: u32 = digits.parse().map_err(|_| "write it as a whole number with M or G, as in 16G".to_owned())?;
    let mib = if text.ends_with('G') { u64::from(number) * 1024 } else { u64::from(number) };
    if mib < 2048 { Err("the base image needs at least 2G".into()) } else { Ok(text.to_owned()) }
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
    fn limits_and_sizes_are_checked() {
        assert_eq!(limit("pull=5m"), Ok(("pull".into(), Duration::from_secs(300))));
        for bad in ["pull", "pul=5m", "pull=5"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
        assert!(disk_size("16G").is_ok() && disk_size("1G").is_err() && disk_size("16").is_err());
    }
}
