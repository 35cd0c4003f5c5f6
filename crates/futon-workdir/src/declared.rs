//! Turns a service's declaration into its part of the plan, and the client's replies into a report.

use std::time::Duration;

use calls::wire::{Protocol, ReplyList};
use calls::{CallKind, Health, Level, Preset, Ready, Reason, Sheet, Verdict};
use futon_common::{Error, Result};
use futon_functions::FunctionHints;
use futon_model::{
    CheckLevel, ClientFailure, ClientFailureKind, ClientReport, Code, ExpectedFailure, LogCheck, Phase, PhaseCount,
    Probe, histogram, millis, summary,
};

/// Form of the test client's report.
pub(crate) const CLIENT_SCHEMA: &str = "futon.client/1";

/// How to wait for the function: as declared, else as its preset or its first call implies.
pub(crate) fn probe(hints: &FunctionHints, sheet: Option<&Sheet>) -> Probe {
    let by_protocol = match sheet.map(Sheet::protocol) {
        Some(_) if hints.tls.is_some() => Probe::Tls,
        Some(Protocol::Http1) => Probe::Http1,
        _ => Probe::Http2,
    };
    match hints.ready.clone().or_else(|| hints.preset.map(Preset::ready)) {
        None | Some(Ready::Protocol(_)) => by_protocol,
        Some(Ready::Tcp(_)) => Probe::Tcp,
        Some(Ready::Http(text)) => {
            let (method, path) = text.trim().split_once(' ').unwrap_or_default();
            Probe::Request(method.to_owned(), path.trim().to_owned())
        }
        Some(Ready::GrpcHealth(Health::Server(_))) => Probe::GrpcHealth(String::new()),
        Some(Ready::GrpcHealth(Health::Service(name))) => Probe::GrpcHealth(name),
        Some(Ready::Log(text)) => Probe::Log(calls::log_regex(&text).to_owned()),
    }
}

/// Checks of logs.
pub(crate) fn checks(hints: &FunctionHints) -> Vec<LogCheck> {
    let one = |check: &calls::Check| LogCheck {
        file: check.file.clone(),
        must_match: check.must_match.clone(),
        must_not_match: check.must_not_match.clone(),
        level: match check.level {
            Level::Fail => CheckLevel::Fail,
            Level::Warn => CheckLevel::Warn,
            Level::Info => CheckLevel::Info,
        },
    };
    hints.checks.iter().map(one).collect()
}

/// The expected failure.
///
/// # Errors
/// When its code is none that a failure has.
pub fn expected_failure(hints: &FunctionHints) -> Result<Option<ExpectedFailure>> {
    let Some(expected) = &hints.expect_failure else { return Ok(None) };
    let code: Code = serde_json::from_value(expected.code.clone().into()).map_err(|_| {
        Error::usage(format!("x-futon: expect_failure: {:?} is not a verdict code", expected.code))
            .hint("docs/report.md lists the codes")
    })?;
    if code == Code::AllWitnessesAgree {
        return Err(Error::usage(format!("x-futon: expect_failure: {:?} is the code of a pass", expected.code))
            .hint("docs/report.md lists the codes"));
    }
    Ok(Some(ExpectedFailure { code, why: expected.why.clone() }))
}

/// The client's calls, judged: the same report that a built-in client writes itself.
#[must_use]
pub fn client_report(sheet: &Sheet, replies: &ReplyList) -> ClientReport {
    let judged = sheet.judge(replies);
    let (planned, warmups) = sheet.planned();
    let right = |list: &[Verdict]| list.iter().filter(|verdict| verdict.reason.is_none()).count() as u64;
    let took = |verdict: &Verdict| Duration::from_nanos(verdict.took_ns);
    let good: Vec<Duration> = judged.measured.iter().filter(|v| v.reason.is_none()).map(took).collect();
    let made = judged.measured.len() as u64;
    ClientReport {
        schema: CLIENT_SCHEMA.to_owned(),
        function: sheet.title(),
        service: String::new(),
        method: String::new(),
        seed: sheet.seed(),
        planned,
        verified: right(&judged.measured),
        failed: made - right(&judged.measured),
        not_made: planned.saturating_sub(made),
        warmup: PhaseCount {
            planned: warmups,
            verified: right(&judged.warmup),
            failed: judged.warmup.len() as u64 - right(&judged.warmup),
        },
        greeting: futon_model::Greeting::None,
        connect_ms: (replies.connect_ns > 0).then(|| millis(Duration::from_nanos(replies.connect_ns))),
        first_failure: first_failure(&judged, replies),
        latency_ms: summary(&good),
        latencies_ms: judged.measured.iter().map(|v| v.reason.is_none().then(|| millis(took(v)))).collect(),
        histogram: histogram(&good),
    }
}

fn first_failure(judged: &calls::Judged, replies: &ReplyList) -> Option<ClientFailure> {
    let none = ClientFailure {
        call: 0,
        phase: Phase::Measured,
        invocation: None,
        kind: ClientFailureKind::Connect,
        status: None,
        expected: None,
        got: None,
        message: replies.not_connected.clone(),
    };
    if !replies.not_connected.is_empty() {
        return Some(none);
    }
    let warmup = judged.warmup.iter().map(|verdict| (Phase::Warmup, None, verdict));
    let measured = (1..).zip(&judged.measured).map(|(n, verdict)| (Phase::Measured, Some(n), verdict));
    let mut all = (1..).zip(warmup.chain(measured));
    all.find_map(|(call, (phase, invocation, verdict))| {
        let reason = verdict.reason.as_ref()?;
        Some(failure(call, phase, invocation, verdict, reason))
    })
}

/// A failed call, in the form of reports.
pub(crate) fn failure(
    call: u64,
    phase: Phase,
    invocation: Option<u64>,
    verdict: &Verdict,
    reason: &Reason,
) -> ClientFailure {
    ClientFailure {
        call,
        phase,
        invocation,
        kind: match reason.kind {
            CallKind::WrongReply => ClientFailureKind::WrongReply,
            CallKind::Deadline => ClientFailureKind::Deadline,
            CallKind::Status | CallKind::Lost | CallKind::Protocol => ClientFailureKind::RpcError,
        },
        status: reason.status.clone(),
        expected: reason.expected.clone(),
        got: reason.got.clone(),
        message: if verdict.name.is_empty() {
            reason.words.clone()
        } else {
            format!("{}: {}", verdict.name, reason.words)
        },
    }
}
