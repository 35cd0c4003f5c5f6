//! The container engine, through its HTTP API on a Unix socket.

mod api;
mod carried;
mod companions;
mod container;
mod detour;
mod find;
mod journal;
mod logs;
mod mirror;
mod pull;
mod ready;
mod rehearsal;
mod up;

use std::io;

use futon_model::CarriedRegistry;
use guest_net::{Error, Result};

pub(crate) use api::Engine;
pub(crate) use find::find;
pub(crate) use journal::journal;
pub(crate) use logs::{cut_words, report_kill};
pub(crate) use pull::settle;
pub(crate) use rehearsal::forget;

use crate::{
    cli::{ContainerVerb, Up},
    exchange::Exchange,
    files, gem5,
    runlog::RunLog,
};

/// Does it with the engine's containers.
pub(crate) fn run(engine: &Engine, verb: &ContainerVerb, log: &RunLog) -> Result<()> {
    match verb {
        ContainerVerb::Pull { images } if gem5::is_wanted() => {
            pull::pull_carried(engine, &log.folder().join(CarriedRegistry::FOLDER), images)
        }
        ContainerVerb::Pull { images } => pull::pull(engine, &Exchange::find()?, images),
        ContainerVerb::Up(wanted) => bring_up(engine, wanted, log),
        ContainerVerb::Container { name } => container::report_image(engine, name, log),
        ContainerVerb::Ready(wanted) => ready::wait_until_ready(engine, wanted, log),
        ContainerVerb::State { name } => container::report_state(engine, name, log).map(drop),
        ContainerVerb::Logs { name, limit } => {
            let container = container::existing(engine, name)?;
            logs::write_log(engine, name, &container, *limit, &mut io::stdout().lock()).map(drop)
        }
        ContainerVerb::Log { name, file, companions, limit } => {
            companions::save_companions(engine, companions, *limit, log);
            let container = container::report_state(engine, name, log)?;
            files::save(file, log, |out| logs::write_log(engine, name, &container, *limit, out))
        }
        ContainerVerb::Stop { name, freeze: true } => logs::freeze(engine, name),
        ContainerVerb::Stop { name, freeze: false } => logs::stop(engine, name, log),
    }
}

fn bring_up(engine: &Engine, wanted: &Up, log: &RunLog) -> Result<()> {
    let Up { file, get, report, cpus, no_start, .. } = wanted;
    let file =
        file.as_ref().ok_or_else(|| Error::new("the engine starts what a file of requests describes: name it"))?;
    if *get {
        files::get_to(file)?;
    }
    up::up(engine, file, !no_start, report.as_deref().zip(cpus.as_deref()))?;
    report.as_ref().map_or(Ok(()), |name| container::report_image(engine, name, log))
}
