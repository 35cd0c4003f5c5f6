//! The lean guest: no engine, no service manager. This tool is its init, and starts the containers of a bundle with crun.

mod bundle;
mod container;
mod disk;
mod health;
mod init;
mod net;
mod output;
mod pull;
mod settle;
mod supervise;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Subcommand;
use guest_net::Result;

use crate::{cli::LOG_LIMIT, runlog::RunLog};

pub(crate) use init::run as init;
pub(crate) use net::answer_at;

/// What run scripts do with containers here.
#[derive(Debug, Subcommand)]
pub(crate) enum LeanVerb {
    /// Set clock and entropy, so that a simulated run depends on nothing else.
    Settle {
        /// Seconds since 1970.
        #[arg(long)]
        time: Option<i64>,
        /// Entropy, in hexadecimal digits.
        #[arg(long)]
        seed: Option<String>,
    },
    /// Bring the bundle that holds the images.
    Pull {
        /// Names of the images.
        images: Vec<String>,
    },
    /// Start a container and those it depends on, and report which image it runs.
    Start {
        /// Name of the container.
        name: String,
    },
    /// Wait until a container serves gRPC, or has exited.
    Ready {
        /// Name of the container.
        name: String,
        /// Its address.
        #[arg(long)]
        address: std::net::IpAddr,
        /// Port in it.
        #[arg(long)]
        port: u16,
        /// Time limit.
        #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
        timeout: Duration,
        /// What must be seen, as with `ready`.
        #[arg(long, default_value = "http2")]
        probe: futon_model::Probe,
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
    /// Report a container's state, save its log in a file and upload that; the same for all containers beside it.
    Log {
        /// Name of the container.
        name: String,
        /// The file.
        file: PathBuf,
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
}

/// Whether this is the lean guest: it has a bundle in place of an engine.
pub(crate) fn is_here() -> bool {
    Path::new(bundle::FOLDER).is_dir()
}

/// Does it.
pub(crate) fn run(verb: &LeanVerb, log: &RunLog) -> Result<()> {
    match verb {
        LeanVerb::Settle { time, seed } => settle::run(*time, seed.as_deref()),
        LeanVerb::Pull { images } => pull::run(images),
        LeanVerb::Start { name } => container::start(name, log),
        LeanVerb::Ready { name, address, port, timeout, probe } => {
            container::ready(name, (*address, *port).into(), probe, *timeout, log)
        }
        LeanVerb::State { name } => {
            container::state(name, log);
            Ok(())
        }
        LeanVerb::Logs { name, limit } => container::write_log(name, *limit, &mut io::stdout().lock()).map(drop),
        LeanVerb::Log { name, file, limit } => {
            container::save_companions(name, *limit, log);
            container::state(name, log);
            crate::save(file, log, &|file| crate::put_own(file, log), |out| container::write_log(name, *limit, out))
        }
        LeanVerb::Stop { name, freeze: true } => container::freeze(name),
        LeanVerb::Stop { name, freeze: false } => container::stop(name, log),
    }
}
