//! futon's tool inside the guest: the init of the initramfs, the service that finds the run script, and what run
//! scripts are made of (steps, transfers, the function's container, m5).
//!
//! One small static program without a name service: it runs on any base image.

mod backend;
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
mod settle;
mod step;
mod transfer;
mod waits;

use std::{fs::File, path::Path, process::ExitCode};

use clap::Parser;

use cli::{Cli, Needs, Verb};
use engine::Engine;
use files::{get, get_to, own_name, put, put_if_there};
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
        Verb::Containers(verb) => backend::run(&verb, &log)?,
        Verb::Prepare { needs } => prepare(&needs, &log)?,
        Verb::Find { name, way, port } => {
            let (address, port) = engine::find(&Engine::local(), &name, way, port)?;
            println!("{address} {port}");
        }
        Verb::Finish(end) => close::finish(&end, &log)?,
        Verb::Close(close) => close::run(&close, run, &log)?,
        Verb::Park => match park::park()? {},
        Verb::Forget { name } => engine::forget(&Engine::local(), &name)?,
        Verb::Settle { time, seed } => settle::run(time, seed.as_deref())?,
        Verb::Scrub => scrub::scrub()?,
        Verb::Poweroff => match power::off()? {},
        Verb::Gateway => {
            let gateway = route::gateway().ok_or_else(|| Error::new("there is no default route"))?;
            println!("{gateway}");
        }
        #[cfg(target_arch = "x86_64")]
        Verb::Selftest { items } => gem5_selftest_programs::run(&items)?,
        Verb::M5 { arguments } => m5tool::run(&arguments)?,
    }
    Ok(0)
}

/// Fetches what services need of the host; sees that their ports are free.
fn prepare(needs: &Needs, log: &RunLog) -> Result<()> {
    if let Some(archive) = &needs.files {
        get_to(archive)?;
        let folder = archive.parent().unwrap_or_else(|| Path::new(""));
        let mut packed = File::open(archive).context(format_args!("cannot read {}", archive.display()))?;
        guest_unpack::unpack(&mut packed, &folder.join("files"))?;
    }
    ports::keep_free(&needs.publish, log)
}
