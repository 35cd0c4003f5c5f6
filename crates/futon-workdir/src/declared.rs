//! From what a service declares to what a plan has, and from the client's replies to its report.

use calls::wire::{Protocol, ReplyList};
use calls::{CallKind, Level, Preset, Ready, Sheet, Verdict};
use futon_common::{Error, Result};
use futon_functions::FunctionHints;
use futon_model::{
    CheckLevel, ClientFailure, ClientFailureKind, ClientReport, Code, ExpectedFailure, LogCheck, Phase, PhaseCount,
    Probe, histogram, millis, summary,
};
use regex::Regex;
use std::time::Duration;

/// How the function is waited for: as declared, else as its preset or its first call has it.
pub(crate) fn probe(hints: &FunctionHints, sheet: Option<&Sheet>) -> Result<Probe> {
    let by_protocol = || match sheet.map(Sheet::protocol) {
        Some(Protocol::Http1) => Probe::Http1,
        _ => Probe::Http2,
    };
    let wrong = |why: String| Error::usage(format!("x-futon: ready: {why}"));
    let request = |text: &str| match text.split_once(' ') {
        Some((method, path)) if path.trim().starts_with('/') => {
            Ok(Probe::Request(method.to_owned(), path.trim().to_owned()))
        }
        _ => Err(wrong(format!("{text:?} is no request")).hint("write METHOD /path, as in GET /healthz")),
    };
    let unless_false = |truth: bool, probe: Probe| {
        if truth { Ok(probe) } else { Err(wrong("`false` says nothing".into()).hint("leave the key out")) }
    };
    match &hints.ready {
        None => Ok(match hints.preset {
            None => by_protocol(),
            Some(Preset::Lambda | Preset::Knative | Preset::Cloudevents) => Probe::Tcp,
            Some(Preset::Openfaas) => Probe::Request("GET".into(), "/_/health".into()),
        }),
        Some(Ready::Protocol(truth)) => unless_false(*truth, by_protocol()),
        Some(Ready::Tcp(truth)) => unless_false(*truth, Probe::Tcp),
        Some(Ready::Http(text)) => request(text),
        Some(Ready::GrpcHealth(calls::Health::Server(truth))) => unless_false(*truth, Probe::GrpcHealth(String::new())),
        Some(Ready::GrpcHealth(calls::Health::Service(name))) => {
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if name.is_empty() || name.len() > 100 || !plain {
                return Err(wrong(format!("{name:?} is no name of a service")));
            }
            Ok(Probe::GrpcHealth(name.clone()))
        }
        Some(Ready::Log(text)) => {
            let inside = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).unwrap_or(text);
            if inside.is_empty() {
                return Err(wrong("`log` is a regular expression".into()));
            }
            Regex::new(inside).map_err(|e| wrong(format!("no regular expression: {inside:?}")).caused_by(e))?;
            Ok(Probe::Log(inside.to_owned()))
        }
    }
}

/// Checks of logs.
pub(crate) fn checks(hints: &FunctionHints) -> Result<Vec<LogCheck>> {
    let one = |(at, check): (usize, &calls::Check)| {
        let wrong = |why: String| Error::usage(format!("x-futon: checks[{at}]: {why}"));
        if check.must_match.is_none() && check.must_not_match.is_none() {
            return Err(wrong("it says nothing".into()).hint("give it `must_match` or `must_not_match`"));
        }
        for text in check.must_match.iter().chain(&check.must_not_match) {
            Regex::new(text).map_err(|e| wrong(format!("no regular expression: {text:?}")).caused_by(e))?;
        }
        let plain =
            !check.file.is_empty() && !check.file.starts_with('/') && !check.file.split('/').any(|part| part == "..");
        if !plain {
            return Err(wrong(format!("{:?} is no file of the results", check.file)));
        }
        Ok(LogCheck {
            file: check.file.clone(),
            must_match: check.must_match.clone(),
            must_not_match: check.must_not_match.clone(),
            level: match check.level {
                Level::Fail => CheckLevel::Fail,
                Level::Warn => CheckLevel::Warn,
                Level::Info => CheckLevel::Info,
            },
        })
    };
    hints.checks.iter().enumerate().map(one).collect()
}

/// The failure that is known to come.
pub(crate) fn expected_failure(hints: &FunctionHints) -> Result<Option<ExpectedFailure>> {
    let Some(expected) = &hints.expect_failure else { return Ok(None) };
    let code: Code = serde_json::from_value(expected.code.clone().into()).map_err(|_| {
        Error::usage(format!("x-futon: expect_failure: {:?} is no code of a verdict", expected.code))
            .hint("docs/report.md lists the codes")
    })?;
    Ok(Some(ExpectedFailure { code, why: expected.why.clone() }))
}

/// What the client did, judged: the report that a built-in client writes itself.
#[must_use]
pub fn client_report(sheet: &Sheet, replies: &ReplyList) -> ClientReport {
    let judged = sheet.judge(replies);
    let (planned, warmups) = sheet.planned();
    let right = |list: &[Verdict]| list.iter().filter(|verdict| verdict.reason.is_none()).count() as u64;
    let took = |verdict: &Verdict| Duration::from_nanos(verdict.took_ns);
    let good: Vec<Duration> = judged.measured.iter().filter(|v| v.reason.is_none()).map(took).collect();
    let made = judged.measured.len() as u64;
    ClientReport {
        schema: crate::CLIENT_SCHEMA.to_owned(),
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
        greeting: "none".to_owned(),
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
        Some(ClientFailure {
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
        })
    })
}
