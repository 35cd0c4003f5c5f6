//! Load (`-load`): many calls at once or at given times, each reply verified, and how long they took.
//!
//! One thread and no runtime: calls go out as bytes that were made before, replies are compared with those already known. Nothing is
//! allocated for a call once all buffers have grown. What a reply should be is judged after the load, for each distinct one: by the
//! host for declared calls, by this program for its built-in functions.

#[cfg(test)]
mod allocation_tests;
mod driver;
mod flight;
mod h2;
mod http1;
mod meter;
mod pace;
#[cfg(test)]
mod pieces;
mod pipe;
mod poll;
mod recorder;
mod show;
mod socket;
mod source;
mod target;

use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use calls::wire::{Call, Protocol};
use futon_model::{LOAD_SCHEMA, LoadPlan, LoadReport, millis};

use crate::grpc::Secure;
use crate::run::Verdict;
use crate::setup::Setup;
use driver::Driver;
use meter::Meter;
use pace::Pace;
use recorder::Recorder;
use source::Source;
use target::{Kind, Target};

/// From this part of its time on a client that ran or waited for its core was the limit itself.
const SATURATED: f64 = 0.9;

/// Makes the load, and writes what came of it.
pub fn load(setup: &Setup, plan: &LoadPlan) -> Verdict {
    let log = &setup.log;
    let source = match Source::of(setup) {
        Ok(source) => source,
        Err(why) => {
            log.error(why);
            return Verdict::Wrong;
        }
    };
    log.info(format!("Connect to  {}:{}", setup.options.url, setup.options.port));
    let (mut report, mut replies) = match drive(setup, plan, &source) {
        Ok(made) => made,
        Err(why) => {
            log.error(format!("Fail to init client: {why}\n"));
            let replies = calls::LoadReplies { not_connected: why.clone(), ..calls::LoadReplies::default() };
            (LoadReport { ended_early: Some(why), ..begun(plan, &source.title) }, replies)
        }
    };
    source.judge(&replies, &mut report);
    let connected = replies.not_connected.is_empty();
    let mut verdict = match (connected, report.is_right() || !source.judges() && report.ended_early.is_none()) {
        (false, _) => Verdict::NotConnected,
        (true, true) => Verdict::Right,
        (true, false) => Verdict::Wrong,
    };
    if let Err(why) = write(setup, &source, &report, &mut replies) {
        log.error(why);
        verdict = Verdict::Wrong;
    }
    if setup.options.load.json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        print!("{}", show::summary(&report, source.judges()));
    }
    verdict
}

/// What is known before a load.
fn begun(plan: &LoadPlan, title: &str) -> LoadReport {
    LoadReport {
        schema: LOAD_SCHEMA.to_owned(),
        function: title.to_owned(),
        mode: if plan.rate.is_some() { "open" } else { "closed" }.to_owned(),
        rate: plan.rate.as_ref().map(ToString::to_string),
        connections: plan.connections,
        concurrency: plan.in_flight(),
        is_performance: true,
        ..LoadReport::default()
    }
}

fn drive(setup: &Setup, plan: &LoadPlan, source: &Source) -> Result<(LoadReport, calls::LoadReplies), String> {
    let list = &source.list;
    let grpc = |call: &Call| call.protocol() == Protocol::Grpc;
    let deadline = |call: &Call| (grpc(call) && call.deadline_ms > 0).then(|| Duration::from_millis(call.deadline_ms));
    let deadlines: Vec<_> = list.calls.iter().map(deadline).collect();
    let http1 = list.calls.iter().any(|call| call.protocol() == Protocol::Http1);
    let target = Target {
        address: setup.address,
        secure: list.tls.as_ref().map(Secure::new).transpose().map_err(|why| format!("TLS: {why}"))?,
        kind: if http1 {
            Kind::Http1(Rc::new(http1::requests(list, setup.address)))
        } else {
            Kind::Http2(Rc::new(h2::Requests::new(list, setup.address)))
        },
        sequence: &list.sequence,
        deadlines: &deadlines,
        limit: setup.options.timeout,
    };
    let connecting = Instant::now();
    let driver = Driver::connect(&target, plan, setup.options.connect_timeout)?;
    let connected = connecting.elapsed();
    setup.log.info("Connection established.\n");
    let connections = u32::try_from(driver.connections()).unwrap_or(u32::MAX);
    let mut pace = Pace::new(plan, Instant::now(), setup.options.timeout);
    let kinds = list.sequence.iter().map(|call| list.calls.get(*call as usize).is_none_or(grpc)).collect();
    let mut recorder = Recorder::new(kinds, Meter::new(pace.begin(), plan.duration)?);
    let ended_early = driver.run(&mut pace, &mut recorder);
    let client_busy = recorder.meter.busy(Instant::now());
    recorder.meter.finish();
    let replies = recorder.replies();
    let sent = Instant::now().min(pace.end()).saturating_duration_since(pace.begin());
    let mut report = LoadReport {
        connections,
        duration_s: recorder.meter.duration(sent).as_secs_f64(),
        latency_ms: recorder.meter.latency(),
        client_saturated: client_busy >= SATURATED,
        client_busy,
        distinct_replies: replies.replies.len() as u64,
        connect_ms: Some(millis(connected)),
        percentiles: recorder.meter.points(),
        seconds: recorder.meter.parts(),
        not_sent: if ended_early.is_some() { 0 } else { pace.not_sent() },
        ended_early,
        ..begun(plan, &source.title)
    };
    // An open loop promises its calls: those that it did not make are no pass.
    let not_sent = report.not_sent;
    if not_sent > 0 {
        report.count(not_sent, 0, Some("not sent"));
    }
    Ok((report, replies))
}

/// Writes what `-report` asks for: of declared calls the replies, for the host; else the report.
fn write(setup: &Setup, source: &Source, report: &LoadReport, replies: &mut calls::LoadReplies) -> Result<(), String> {
    let Some(path) = &setup.options.report else { return Ok(()) };
    let text = serde_json::to_string(report).map_err(|error| format!("cannot write the report as JSON: {error}"))?;
    let bytes = if source.judges() {
        text.into_bytes()
    } else {
        replies.report = text;
        replies.to_bytes()
    };
    fs::write(path, &bytes).map_err(|error| format!("cannot write the report {}: {error}", path.display()))
}
