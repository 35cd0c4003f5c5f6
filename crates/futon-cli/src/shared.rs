//! Flags that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futon_model::{GenType, Limits, LoadPlan};
use futon_resources::default_folder;

use super::CallArgs;

/// Where resources are.
#[derive(Debug, Clone, Args)]
pub struct ResourcesArg {
    /// Folder for base image, kernel, guest tools and function images [default: resources; if futon is installed, ~/.local/share/futon]
    #[arg(long, env = "RESOURCES", default_value_os_t = default_folder(), hide_default_value = true, value_name = "DIR")]
    pub resources: PathBuf,
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
    /// Calls to make
    #[command(flatten)]
    pub calls: CallArgs,
    /// How a load sends calls (`futon load`)
    #[arg(skip)]
    pub load: Option<LoadPlan>,
}

/// Takes the words of [`GenType`], and shows them in help and completions.
fn gen_type_parser() -> impl clap::builder::TypedValueParser<Value = GenType> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(GenType::ALL.map(GenType::word)).try_map(|word| word.parse())
}

pub(crate) fn limit(text: &str) -> Result<(String, Duration), String> {
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
    fn limits_are_checked() {
        assert_eq!(limit("pull=5m"), Ok(("pull".into(), Duration::from_secs(300))));
        for bad in ["pull", "pul=5m", "pull=5"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
