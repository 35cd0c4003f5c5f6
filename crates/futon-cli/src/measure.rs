//! `futon measure`, and what is done with its figures.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::TestArgs;

/// `futon measure`.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// Runs of each function, each with another seed and number of warm-up calls
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub runs: u32,
    /// Make more runs until the 95% interval of each function's CPI is within this part of the mean, as in 3%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub ci: Option<f64>,
    /// With --ci: begin no further run after this time
    #[arg(long, default_value = "1h", requires = "ci", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub budget: Duration,
    /// Keep the runs that are complete in the folder of --out, and make those that are missing
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// What each run is
    #[command(flatten)]
    pub test: TestArgs,
}

/// `futon stats …`.
#[derive(Debug, Subcommand)]
pub enum StatsCommand {
    /// Read a stats.txt and summarise it
    Check {
        /// The file
        file: PathBuf,
    },
    /// Draw charts of rows (invocations.csv) of one or several runs
    Chart {
        /// Files of rows
        #[arg(required = true, value_name = "CSV")]
        rows: Vec<PathBuf>,
        /// Page to write
        #[arg(long, short, default_value = "charts.html", value_name = "FILE")]
        output: PathBuf,
    },
    /// Put several measurements on one page, and say what they show together
    Study {
        /// Folders that `futon measure --out` wrote
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
        /// Page to write
        #[arg(long, short, default_value = "study.html", value_name = "FILE")]
        output: PathBuf,
    },
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.strip_suffix('%').unwrap_or(text).parse().map_err(|_| "write it as in 3%".to_owned())?;
    if number > 0.0 && number <= 100.0 { Ok(number / 100.0) } else { Err("it lies between 0% and 100%".into()) }
}
