//! Flags that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futon_model::Limits;
use futon_resources::default_folder;

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

pub(crate) fn limit(text: &str) -> Result<(String, Duration), String> {
    let (name, length) = text.split_once('=').ok_or("write it as STEP=DURATION, as in pull=5m")?;
    if !Limits::NAMES.contains(&name) {
        return Err(format!("there is no limit {name:?}; the limits are {}", Limits::NAMES.join(", ")));
    }
    let length = humantime::parse_duration(length).map_err(|e| format!("{length:?} is not a duration: {e}"))?;
    Limits::check(length)?;
    Ok((name.to_owned(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_checked() {
        assert_eq!(limit("pull=5m"), Ok(("pull".into(), Duration::from_secs(300))));
        assert!(limit("run=1ms").is_ok() && limit("run=30days").is_ok());
        for bad in ["pull", "pul=5m", "pull=5", "run=0s", "run=1ns", "run=31days", "run=9999999999years"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
