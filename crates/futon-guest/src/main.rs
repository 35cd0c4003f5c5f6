//! futon's tool inside the guest: the init of the initramfs, the service that finds the run script, and what run
//! scripts are made of (steps, transfers, the function's container, m5).
//!
//! One small static program without a name service: it runs on any base image.

mod cli;
mod cmdline;
mod engine;
mod error;
mod exchange;
mod finish;
mod gem5;
mod http;
mod initramfs;
mod lean;
mod m5tool;
mod park;
mod power;
mod report;
mod route;
mod runlog;
mod service;
mod step;
mod transfer;
mod unpack;

use std::{path::Path, process::ExitCode};

use clap::Parser;

use cli::{Cli, Verb};
use engine::Engine;
use error::{Error, Result};
use exchange::Exchange;
use runlog::RunLog;

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    let name = called.rsplit('/').next().unwrap_or_default();
    let (name, result) = match name {
        "init" if std::process::id() == 1 => ("futon-init", initramfs::run().map(|()| ExitCode::SUCCESS)),
        "m5" => ("m5", m5tool::run(&arguments.collect::<Vec<_>>()).map(|()| ExitCode::SUCCESS)),
        _ => ("futon-guest", run(Cli::parse())),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{name}: {error}");
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> Result<ExitCode> {
    let log = RunLog::from_env();
    match cli.verb {
        Verb::Init => return service::run(),
        Verb::Step { name, timeout, command } => {
            return step::run(&name, timeout, &command, &log).map(ExitCode::from);
        }
        Verb::Get { names, dir } => {
            let exchange = Exchange::find()?;
            names.iter().try_for_each(|name| transfer::get(&exchange, name, &dir))?;
        }
        Verb::Put { file, name } => {
            let name = match name {
                Some(name) => name,
                None => own_name(&file)?,
            };
            match gem5::outlet()? {
                Some(m5) => gem5::put(&m5, log.folder(), gem5::token().as_deref(), &file, &name)?,
                None => transfer::put(&Exchange::find()?, &file, &name)?,
            }
        }
        Verb::Pull { images } => engine::pull(&Engine::local(), &Exchange::find()?, &images)?,
        Verb::Up { file } => engine::up(&Engine::local(), &file)?,
        Verb::Container { name } => engine::report_image(&Engine::local(), &name, &log)?,
        Verb::State { name } => engine::report_state(&Engine::local(), &name, &log)?,
        Verb::Logs { name, limit } => engine::print_log(&Engine::local(), &name, limit)?,
        Verb::Stop { name } => engine::stop(&Engine::local(), &name)?,
        Verb::Ready { container, port, timeout } => {
            engine::wait_until_ready(&Engine::local(), &container, port, timeout)?;
        }
        Verb::Finish { status, why } => finish::run(status, why.as_deref(), &log)?,
        Verb::Park => match park::park()? {},
        Verb::WarmUp => engine::warm_up(&Engine::local())?,
        Verb::Idle => engine::idle()?,
        Verb::Poweroff => match power::off()? {},
        Verb::Gateway => {
            let gateway = route::gateway().ok_or_else(|| Error::new("there is no default route"))?;
            println!("{gateway}");
        }
        Verb::Lean(verb) => lean::run(&verb, &log)?,
        Verb::Unpack { skip, readfile: true, folder, .. } => unpack::readfile(skip, &folder)?,
        Verb::Unpack { skip, archive, folder, .. } => unpack::file(&archive, skip, &folder)?,
        Verb::M5 { arguments } => m5tool::run(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn own_name(file: &Path) -> Result<String> {
    let name = file.file_name().ok_or_else(|| Error::new(format!("{} names no file", file.display())))?;
    Ok(name.to_string_lossy().into_owned())
}
