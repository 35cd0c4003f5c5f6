//! `futon sweep`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ResourcesArg;

/// `futon sweep`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, arg_required_else_help = true)]
pub struct SweepArgs {
    /// What to do with a sweep that is there
    #[command(subcommand)]
    pub command: Option<SweepCommand>,
    /// The sweep that is to be made
    #[command(flatten)]
    pub new: SweepNewArgs,
}

/// `futon sweep FILE`.
#[derive(Debug, Args)]
pub struct SweepNewArgs {
    /// The sweep: functions, what varies, seeds (docs/sweep.md)
    #[arg(value_name = "FILE", required = true)]
    pub file: Option<PathBuf>,
    /// Folder of the sweep: its plan, results and logs [default: sweeps/NAME]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Folder of results that several sweeps share; what is there is not run again [default: the sweep's own]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Who makes the cells: this machine, or tasks of Slurm's
    #[arg(long, value_enum, default_value_t = ExecutorArg::Local, value_name = "WHO")]
    pub executor: ExecutorArg,
    /// Only list the cells
    #[arg(long)]
    pub dry_run: bool,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// How it goes
    #[command(flatten)]
    pub how: SweepHow,
}

/// What `futon sweep FILE` and `futon sweep resume` have in common.
#[derive(Debug, Clone, Args)]
pub struct SweepHow {
    /// Number of cells side by side on this machine [default: as many as processors and free memory allow]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: Option<u32>,
    /// Hand the cells to Slurm and do not wait for them
    #[arg(long)]
    pub detach: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

/// Executors on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExecutorArg {
    /// This machine
    Local,
    /// Slurm
    Slurm,
}

/// `futon sweep …`.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// Show how far a sweep is
    Status {
        /// Folder of the sweep
        dir: PathBuf,
        /// List every cell
        #[arg(long)]
        cells: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the cells that have no result and that nobody makes
    Resume {
        /// Folder of the sweep
        dir: PathBuf,
        /// Who makes the cells [default: as before]
        #[arg(long, value_enum, value_name = "WHO")]
        executor: Option<ExecutorArg>,
        /// How it goes
        #[command(flatten)]
        how: SweepHow,
    },
    /// End what makes a sweep's cells; results stay
    Cancel {
        /// Folder of the sweep
        dir: PathBuf,
    },
    /// Put the results together: report.json, tables of cells and invocations, means over seeds
    Export {
        /// Folder of the sweep
        dir: PathBuf,
        /// Folder for the files [default: the sweep's]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print the means as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make cells (used by futon itself)
    #[command(hide = true)]
    Work {
        /// Folder of the sweep
        dir: PathBuf,
        /// Number of the tasks' file
        #[arg(long)]
        tasks: u32,
        /// Number of the task [default: Slurm's]
        #[arg(long, env = "SLURM_ARRAY_TASK_ID")]
        task: usize,
        /// Number of workers on this machine; each ends when its standard input does
        #[arg(long)]
        beside: Option<usize>,
    },
}

impl SweepArgs {
    /// Whether standard output is for a program.
    pub fn prints_json(&self) -> bool {
        match &self.command {
            Some(SweepCommand::Status { json, .. } | SweepCommand::Export { json, .. }) => *json,
            Some(SweepCommand::Resume { how, .. }) => how.json,
            Some(_) => false,
            None => self.new.how.json,
        }
    }
}
