//! `test-client` drives a function over gRPC and verifies every reply.
//!
//! It runs inside the guest as one static binary, takes the flags of vSwarm-μ's client and logs
//! the lines that scripts look for; but it says SUCCESS only when it is so.

mod args;
mod declared;
mod generate;
mod grpc;
mod load;
mod log;
mod m5;
mod report;
mod run;
mod setup;
mod text;

use std::{process::ExitCode, time::Instant};

use log::{Level, Log};
use m5::{Gem5, Marks};
use run::{Tally, Verdict};
use setup::{Exit, Setup};

fn main() -> ExitCode {
    let setup = match Setup::from_command_line(std::env::args_os().skip(1)) {
        Ok(setup) => setup,
        Err(Exit { status, text }) => {
            if status == 0 {
                print!("{text}");
            } else {
                eprint!("{text}");
            }
            return ExitCode::from(status);
        }
    };
    if let Some(plan) = setup.options.load.plan() {
        return ExitCode::from(load::load(&setup, &plan) as u8);
    }
    // One thread: the client must not disturb what it measures.
    let verdict = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(drive(&setup)),
        Err(error) => {
            setup.log.line(Level::Fatal, format!("Fail to init client: {error}\n"));
            Verdict::Wrong
        }
    };
    ExitCode::from(verdict as u8)
}

/// The whole story, from the first line to the report.
async fn drive(setup: &Setup) -> Verdict {
    let Setup { log, plan, options, .. } = setup;
    if options.serve {
        let Err(error) = grpc::serve(setup.address).await;
        log.line(Level::Fatal, format!("Fail to serve on {}: {error}\n", setup.address));
        return Verdict::Wrong;
    }
    if let (Some(calls), Some(replies)) = (&options.calls, &options.report) {
        return declared::drive(setup, calls, replies).await;
    }
    if let (Some(seen), Some(report)) = (&options.describe, &options.report) {
        return declared::describe(setup, seen, report).await;
    }
    let mut tally = Tally::new(plan);

    log.info("-- Invokation test --");
    setup.say_what_is_unusual();
    let marks = Gem5::open(options.m5ops, log);
    marks.point(m5::STARTED);

    log.debug(format!("Found {} client", plan.function.service.name()));
    log.info(format!("Connect to  {}:{}", options.url, options.port));
    let start = Instant::now();
    match grpc::connect(setup.address, options.connect_timeout).await {
        Ok(sender) => {
            tally.connected(start.elapsed());
            log.info("Connection established.\n");
            let path = plan.function.service.path();
            let mut client = grpc::Client::new(setup.address, path, sender);
            let mut generator = setup.generator();
            run::run(plan, &mut client, &mut generator, &marks, log, &mut tally).await;
            conclude(log, &tally, setup);
        }
        Err(reason) => {
            tally.not_connected(&reason);
            log.line(Level::Fatal, format!("Fail to init client: {reason}\n"));
        }
    }
    write_report(setup, &tally)
}

/// The line that scripts look for: SUCCESS, or what failed.
fn conclude(log: &Log, tally: &Tally, setup: &Setup) {
    let times = setup.plan.measured;
    match tally.verdict() {
        Verdict::Right if setup.plan.verify => {
            log.info(format!("SUCCESS: Calling functions for {times} times"));
        }
        Verdict::Right => {
            log.info(format!("DONE: Called functions for {times} times, replies not verified"));
        }
        _ => log.error(tally.complaint()),
    }
}

/// Writes the report, if one is wanted. A report that cannot be written spoils a good run: what
/// asked for it would take its absence for a failure anyway.
fn write_report(setup: &Setup, tally: &Tally) -> Verdict {
    let verdict = tally.verdict();
    let Some(path) = &setup.options.report else {
        return verdict;
    };
    match report::write(&tally.report(&setup.plan.function, setup.seed), path) {
        Ok(()) => verdict,
        Err(error) => {
            setup.log.error(format!("cannot write report {}: {error}", path.display()));
            if verdict == Verdict::Right { Verdict::Wrong } else { verdict }
        }
    }
}
