//! futon's tool inside the guest: the init of the initramfs, the service that finds the run script, and what run
//! scripts are made of (steps, transfers, the function's container, m5).
//!
//! One small static program without a name service: it runs on any base image.

mod cli;
mod close;
mod cmdline;
mod console;
mod engine;
mod exchange;
mod files;
mod finish;
mod gem5;
mod initramfs;
mod kernel;
mod lean;
mod m5tool;
mod own;
mod park;
mod ports;
mod power;
mod ready;
mod report;
mod runlog;
mod script;
mod scrub;
mod service;
mod step;
mod transfer;

use std::{fs::File, io, path::Path, process::ExitCode};

use clap::Parser;

use cli::{Cli, Needs, Verb};
use engine::Engine;
use exchange::Exchange;
use files::{get, own_name, put, put_if_there, put_own, save};
use futon_model::CarriedRegistry;
use guest_net::{Context, Error, Result, route};
use runlog::RunLog;

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    let name = called.rsplit('/').next().unwrap_or_default();
    let (name, result) = match name {
        "init" if std::process::id() == 1 => ("futon-init", initramfs::run().map(|()| 0)),
        "m5" => ("m5", m5tool::run(&arguments.collect::<Vec<_>>()).map(|()| 0)),
        _ => return ExitCode::from(run(Cli::parse())),
    };
    ExitCode::from(status_of(name, result))
}

/// Does what the command line says and returns the exit status.
fn run(cli: Cli) -> u8 {
    status_of("futon-guest", execute(cli))
}

fn status_of(name: &str, result: Result<u8>) -> u8 {
    result.unwrap_or_else(|error| {
        eprintln!("{name}: {error}");
        1
    })
}

fn execute(cli: Cli) -> Result<u8> {
    let log = RunLog::from_env();
    match cli.verb {
        Verb::Init => return service::run(),
        Verb::Step { name, timeout, mark_begin, mark, put: file, command } => {
            gem5::mark(mark_begin.as_slice(), &log);
            let code = step::run(&name, timeout, &command, run, &log)?;
            if code == 0 {
                gem5::mark(&mark, &log);
            }
            put_if_there(file.as_deref(), &log);
            return Ok(code);
        }
        Verb::Get { names, dir } => get(&names, &dir)?,
        Verb::Put { file, name } => {
            let name = match name {
                Some(name) => name,
                None => own_name(&file)?,
            };
            put(&file, &name, &log)?;
        }
        Verb::Pull { images } if gem5::is_wanted() => {
            engine::pull_carried(&Engine::local(), &log.folder().join(CarriedRegistry::FOLDER), &images)?;
        }
        Verb::Pull { images } => engine::pull(&Engine::local(), &Exchange::find()?, &images)?,
        Verb::Prepare { needs } => prepare(&needs, &log)?,
        Verb::Find { name, way, port } => {
            let (address, port) = engine::find(&Engine::local(), &name, way, port)?;
            println!("{address} {port}");
        }
        Verb::Up { file, get: fetch, report, cpus, no_start, needs } => {
            prepare(&needs, &log)?;
            if fetch {
                get(&[own_name(&file)?], file.parent().unwrap_or_else(|| Path::new("")))?;
            }
            let engine = Engine::local();
            let pinned = report.as_deref().zip(cpus.as_deref());
            engine::up(&engine, &file, !no_start, pinned)?;
            report.map_or(Ok(()), |name| engine::report_image(&engine, &name, &log))?;
        }
        Verb::Container { name } => engine::report_image(&Engine::local(), &name, &log)?,
        Verb::State { name } => drop(engine::report_state(&Engine::local(), &name, &log)?),
        Verb::Logs { name, limit } => {
            let engine = Engine::local();
            let container = engine::existing(&engine, &name)?;
            engine::write_log(&engine, &name, &container, limit, &mut io::stdout().lock())?;
        }
        Verb::Log { name, file, companions, limit } => {
            let engine = Engine::local();
            let put = |file: &Path| put_own(file, &log);
            engine::save_companions(&engine, &companions, log.folder(), limit, &log, &put);
            let container = engine::report_state(&engine, &name, &log)?;
            save(&file, &log, &put, |out| engine::write_log(&engine, &name, &container, limit, out))?;
        }
        Verb::Stop { name, freeze: true } => engine::freeze(&Engine::local(), &name)?,
        Verb::Stop { name, freeze: false } => engine::stop(&Engine::local(), &name, &log)?,
        Verb::Ready { container, address, port, timeout, probe } => {
            engine::wait_until_ready(&Engine::local(), &container, (address, port).into(), &probe, timeout, &log)?;
        }
        Verb::Finish(end) => close::finish(&end, &log)?,
        Verb::Close(close) => close::run(&close, run, &log)?,
        Verb::Park => match park::park()? {},
        Verb::Forget { name } => engine::forget(&Engine::local(), &name)?,
        Verb::Scrub => scrub::scrub()?,
        Verb::Poweroff => match power::off()? {},
        Verb::Gateway => {
            let gateway = route::gateway().ok_or_else(|| Error::new("there is no default route"))?;
            println!("{gateway}");
        }
        Verb::Lean(verb) => lean::run(&verb, &log)?,
        #[cfg(target_arch = "x86_64")]
        Verb::Selftest { items } => gem5_selftest_programs::run(&items)?,
        Verb::M5 { arguments } => m5tool::run(&arguments)?,
    }
    Ok(0)
}

/// Fetches what services need of the host; sees that their ports are free.
fn prepare(needs: &Needs, log: &RunLog) -> Result<()> {
    if let Some(archive) = &needs.files {
        let folder = archive.parent().unwrap_or_else(|| Path::new(""));
        get(&[own_name(archive)?], folder)?;
        let mut packed = File::open(archive).context(format_args!("cannot read {}", archive.display()))?;
        guest_unpack::unpack(&mut packed, &folder.join("files"))?;
    }
    ports::keep_free(&needs.publish, log)
}
