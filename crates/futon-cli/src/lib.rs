//! The command line's grammar. The doc comments are the help texts.
#![warn(missing_docs)]

use clap::{CommandFactory, FromArgMatches, Parser};

mod adjust;
mod calls;
mod client;
mod command;
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
mod measure;
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
pub use client::ClientArgs;
pub use command::Command;
pub use config::ConfigCommand;
pub use describe::{DescribeArgs, LookArgs, ScaffoldArgs};
pub use doctor::{DoctorArgs, DoctorFor};
pub use events::EventsArg;
pub use exec::{ExecArgs, GuardArgs, ServeArgs, ShellArgs};
pub use gem5::{Gem5Args, State};
pub use investigate::InvestigateArgs;
pub use list::ListArgs;
pub use load::LoadArgs;
pub use machine::{Accel, BaseArg, MachineArgs, NetworkArg, ThawArg, WarmCommand, WarmMakeArgs};
pub use matrix::MatrixArgs;
pub use measure::{MeasureArgs, StatsCommand};
pub use merge::MergeArgs;
pub use on::{On, fake_is_allowed};
pub use plan::{ContentArgs, PlanArgs, RerunArgs};
pub use report::{ReportCommand, ReportDiffArgs, ReportTrendArgs};
pub use resources::{DISK_SIZE, ImagesCommand, ResourcePart, ResourcesCommand};
pub use run::{BuildArgs, CheckArgs, RunArgs};
pub use selftest::{Gem5Command, SelftestArgs};
pub use shard::ShardArgs;
pub use shared::{ProjectArgs, ResourcesArg};
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
    fn a_command_of_gem5_has_its_own_defaults_and_machine() {
        let help = |words: &[&str]| {
            let words = [&["futon"], words, &["--help"]].concat();
            Cli::command().try_get_matches_from(words).unwrap_err().to_string()
        };
        let default = |help: &str, flag: &str| {
            let after = help.split_once(&format!("      --{flag} ")).unwrap_or_else(|| panic!("{flag}: {help}")).1;
            let text = after.split_once("\n      --").map_or(after, |(text, _)| text);
            // Help may be wrapped anywhere.
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            text.rsplit_once("[default: ").map(|(_, rest)| rest.split_once(']').unwrap().0.to_owned())
        };
        let (cycles, all) = (&["measure"][..], [&["setup"][..], &["evaluate"], &["measure"], &["gem5", "selftest"]]);
        for words in all {
            let help = help(words);
            for (flag, expected) in [("on", "gem5"), ("base", "lean"), ("memory", "1024")] {
                assert_eq!(default(&help, flag).as_deref(), Some(expected), "{words:?} --{flag}");
            }
            let refused = Cli::of_words(&[&["futon"], words, &["--on", "qemu"]].concat()).unwrap_err();
            assert!(refused.to_string().contains("[possible values: gem5]"), "{words:?}: {refused}");
        }
        let (measure, selftest) = (help(cycles), help(&["gem5", "selftest"]));
        for (flag, expected) in [("cpu", "o3"), ("uarch-warmup", "3"), ("software-warmup", "20")] {
            assert_eq!(default(&measure, flag).as_deref(), Some(expected), "--{flag}");
        }
        assert!(measure.contains("per function [default: 5]"), "{measure}");
        assert_eq!(default(&selftest, "cpu").as_deref(), Some("o3"));
        for flag in ["--stress", "--shard", "--record-timings"] {
            assert!(!measure.contains(flag), "{flag}: {measure}");
        }
        let words = [&["futon"], cycles, &["f", "--budget", "1h"]].concat();
        assert!(Cli::of_words(&words).unwrap_err().to_string().contains("--ci"));
        assert!(help(&["plan"]).contains("Print the cells as JSON"));
        assert!(help(&["config", "show"]).contains("Print the settings as JSON"));
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
