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

use std::{io, path::Path};

use guest_net::Result;

use crate::{cli::LeanVerb, files, runlog::RunLog};

pub(crate) use init::run as init;
pub(crate) use net::answer_at;

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
            files::save(file, log, &|file| files::put_own(file, log), |out| container::write_log(name, *limit, out))
        }
        LeanVerb::Stop { name, freeze: true } => container::freeze(name),
        LeanVerb::Stop { name, freeze: false } => container::stop(name, log),
    }
}
