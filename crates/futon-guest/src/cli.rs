//! The command line.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use futon_model::Probe;
use gem5_selftest::work::Work;

/// How containers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// The guest's port that leads to a port of the container.
    Published,
    /// The container's own address.
    Container,
}

/// Bytes of a container's log that are kept.
pub(crate) const LOG_LIMIT: u64 = 16 << 20;

/// The tool's command line.
#[derive(Debug, Parser)]
#[command(name = "futon-guest", version, about = "futon's tool inside the guest")]
#[command(after_help = "Environment: FUTON_URL (the exchange; default: port 3003 of the gateway, then of 10.0.2.2), \
    FUTON_TOKEN (the run's token), FUTON_LOG (the results log; default /run/futon/results.log).")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What services need before they start.
#[derive(Debug, Args)]
pub(crate) struct Needs {
    /// Archive of files of the host: fetched from the exchange and unpacked into `files`.
    #[arg(long, value_name = "ARCHIVE")]
    pub(crate) files: Option<PathBuf>,
    /// Ports that must be free.
    #[arg(long, value_name = "PORT")]
    pub(crate) publish: Vec<u16>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (service, container) = text.split_once('=').ok_or_else(|| format!("{text:?} is not SERVICE=CONTAINER"))?;
    Ok((service.to_owned(), container.to_owned()))
}

/// What it does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Find the run script and run it (what gem5.service does).
    Init,
    /// Run a command as a step: recorded in the results log, reported, ended when its limit strikes.
    Step {
        /// Name of the step.
        name: String,
        /// Time limit, such as 60s or 2m.
        #[arg(long, value_parser = humantime::parse_duration)]
        timeout: Option<Duration>,
        /// Point in the workflow to tell gem5, if it is there, when the step begins (`m5 fail CODE`).
        #[arg(long, value_name = "CODE")]
        mark_begin: Option<i32>,
        /// Point to tell it when the step has succeeded; several come one after the other.
        #[arg(long, value_name = "CODE")]
        mark: Vec<i32>,
        /// File to upload when the command has ended, however it did, where there is one.
        #[arg(long, value_name = "FILE")]
        put: Option<PathBuf>,
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Fetch files from the exchange.
    Get {
        /// Names of the files.
        #[arg(required = true)]
        names: Vec<String>,
        /// Where to.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Upload a file to the exchange.
    Put {
        /// The file.
        file: PathBuf,
        /// Name to upload it under; its own by default.
        #[arg(long = "as")]
        name: Option<String>,
    },
    #[command(flatten)]
    Containers(ContainerVerb),
    /// Fetch what services need of the host, and see that the ports are free on which they will be published.
    Prepare {
        #[command(flatten)]
        needs: Needs,
    },
    /// Print the address and the port under which a container answers.
    Find {
        /// Name of the container.
        name: String,
        /// How it is reached.
        way: Way,
        /// Port of the container.
        port: u16,
    },
    /// Close the results log, upload it and report the end of the run.
    Finish(End),
    /// The last steps of a run in one call: keep the container's log (step `log`), stop it (step `stop`), then as `finish`.
    Close(Close),
    /// Wait for the run script of a run, as the guest of a warm base does.
    Park,
    /// Remove a container, its image and its network: what a rehearsal leaves.
    Forget {
        /// The container, the image, and the network without `_default`.
        name: String,
    },
    /// Set clock and entropy, so that a simulated run depends on nothing else.
    Settle {
        /// Seconds since 1970.
        #[arg(long)]
        time: Option<i64>,
        /// Entropy, in hexadecimal digits.
        #[arg(long)]
        seed: Option<String>,
    },
    /// Overwrite memory that programs gave back.
    Scrub,
    /// Write everything out and switch the machine off at once.
    Poweroff,
    /// Print the gateway's address.
    Gateway,
    /// Make the work items of `futon gem5 selftest` on the measured core.
    #[cfg(target_arch = "x86_64")]
    Selftest {
        /// What to do, a word for each, such as add:200.
        #[arg(required = true)]
        items: Vec<Work>,
    },
    /// gem5's guest tool (see `m5` without arguments).
    #[command(disable_help_flag = true)]
    M5 {
        /// Its command line.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// What it does with containers, on every base.
#[derive(Debug, Subcommand)]
pub(crate) enum ContainerVerb {
    /// Bring images to the container engine, or the bundle that has them to the lean guest.
    Pull {
        /// Names of the images.
        #[arg(required = true)]
        images: Vec<String>,
    },
    /// Make and start containers: those that a file of requests to the engine describes, or those of the lean guest's bundle.
    Up(Up),
    /// Report which image a container runs.
    Container {
        /// Name of the container.
        name: String,
    },
    /// Report a container's state.
    State {
        /// Name of the container.
        name: String,
    },
    /// Print a container's log.
    Logs {
        /// Name of the container.
        name: String,
        /// Bytes to print at most.
        #[arg(long, default_value_t = LOG_LIMIT)]
        limit: u64,
    },
    /// Report a container's state, save its log in a file and upload that.
    Log {
        /// Name of the container.
        name: String,
        /// The file.
        file: PathBuf,
        /// Containers beside it, whose state and log are kept as well. The lean guest knows them by itself.
        #[arg(value_name = "SERVICE=CONTAINER", value_parser = pair)]
        companions: Vec<(String, String)>,
        /// Bytes to save at most.
        #[arg(long, default_value_t = LOG_LIMIT)]
        limit: u64,
    },
    /// Stop a container with the grace it declares, and remove it.
    Stop {
        /// Name of the container.
        name: String,
        /// Freeze it instead: the machine ends with the run.
        #[arg(long)]
        freeze: bool,
    },
    /// Wait until a container serves, or has exited.
    Ready(Ready),
}

/// The containers that are to be made and started.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// File of requests to the engine, as futon's host side writes it. The lean guest has a bundle instead.
    pub(crate) file: Option<PathBuf>,
    /// Fetch the file from the exchange first.
    #[arg(long, requires = "file")]
    pub(crate) get: bool,
    /// Then report which image this container runs.
    #[arg(long, value_name = "CONTAINER")]
    pub(crate) report: Option<String>,
    /// Processors for that container, where it names none: on a simulator the measured one is the function's own.
    #[arg(long, requires_all = ["file", "report"])]
    pub(crate) cpus: Option<String>,
    /// Make the containers and start none.
    #[arg(long, requires = "file")]
    pub(crate) no_start: bool,
    #[command(flatten)]
    pub(crate) needs: Needs,
}

/// The server that is waited for.
#[derive(Debug, Args)]
pub(crate) struct Ready {
    /// Name of the container.
    #[arg(long)]
    pub(crate) container: String,
    /// Address at which this machine reaches it.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) address: IpAddr,
    /// Port there.
    #[arg(long)]
    pub(crate) port: u16,
    /// Time limit.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// What must be seen: http2, http1, tcp, request METHOD /path, grpc-health [SERVICE], log REGEX, listens.
    #[arg(long, default_value = "http2")]
    pub(crate) probe: Probe,
}

/// What is left to do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Close {
    /// The container, if one was started.
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// Containers beside it, whose state and log are kept as well.
    #[arg(value_name = "SERVICE=CONTAINER", value_parser = pair)]
    pub(crate) companions: Vec<(String, String)>,
    /// Time limit of the step that keeps the container's log.
    #[arg(long, value_name = "LIMIT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) log_limit: Duration,
    /// Time limit of the step that stops the container.
    #[arg(long, value_name = "LIMIT", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) stop_limit: Duration,
    /// Freeze the container instead of stopping it: the machine ends with the run.
    #[arg(long)]
    pub(crate) freeze: bool,
    #[command(flatten)]
    pub(crate) end: End,
}

/// How the run ends.
#[derive(Debug, Clone, Args)]
pub(crate) struct End {
    /// 0 when every step succeeded.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) status: i32,
    /// What went wrong, for the closing line.
    #[arg(long)]
    pub(crate) why: Option<String>,
    /// Point in the workflow to tell gem5, if it is there, when all is done (`m5 fail CODE`).
    #[arg(long, value_name = "CODE", allow_negative_numbers = true)]
    pub(crate) mark: Vec<i32>,
    /// Switch the machine off then, uploaded or not.
    #[arg(long)]
    pub(crate) poweroff: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(words: &str) -> Result<Verb, String> {
        Cli::try_parse_from(words.split(' ')).map(|cli| cli.verb).map_err(|error| error.to_string())
    }

    #[test]
    fn both_bases_bring_containers_up_with_one_verb() {
        let up = |words: &str| match verb(words) {
            Ok(Verb::Containers(ContainerVerb::Up(up))) => (up.file, up.report),
            other => panic!("{other:?}"),
        };
        let name = || Some("f".to_owned());
        assert_eq!(up("futon-guest up service.json --get --report f --cpus 1"), (Some("service.json".into()), name()));
        assert_eq!(up("futon-guest up --report f"), (None, name()));
        // What is done with a file wants one.
        for words in ["up --get", "up --no-start", "up --report f --cpus 1", "up service.json --cpus 1"] {
            assert!(verb(&format!("futon-guest {words}")).unwrap_err().contains("required arguments"), "{words}");
        }
    }
}
