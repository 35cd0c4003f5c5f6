//! Judges the replies of a load: each distinct reply once, for all calls that it answered.

use calls::{CallKind, LoadReplies, Sheet};
use futon_model::{ClientFailure, ClientFailureKind, ClientReport, LatencyMs, LoadPlan, LoadReport, Phase, PhaseCount};

use super::declared::{CLIENT_SCHEMA, failure};

/// The client's report, in the form for single calls, and the load's own. Nothing if the client wrote no readable report.
#[must_use]
pub fn load_report(sheet: &Sheet, replies: &LoadReplies, plan: &LoadPlan) -> Option<(ClientReport, LoadReport)> {
    let mut load: LoadReport = serde_json::from_str(&replies.report).ok()?;
    load.function = sheet.title();
    load.thresholds.clone_from(&plan.thresholds);
    // The judge counts, whatever the guest says; but calls that were due and not made also failed.
    let (not_sent, was_not_sent) = (load.not_sent, load.ended_early.clone());
    (load.verified, load.failed, load.warmup_verified, load.warmup_failed, load.not_judged) = (0, 0, 0, 0, 0);
    load.errors.clear();
    load.first_failure = None;
    for (counted, verdict) in replies.counted.iter().zip(sheet.judge_load(replies)) {
        let name = verdict.reason.as_ref().map(|reason| {
            let words = match reason.kind {
                CallKind::WrongReply => "wrong reply",
                CallKind::Status => "status",
                CallKind::Deadline => "deadline",
                CallKind::Lost => "connection lost",
                CallKind::Protocol => "protocol",
            };
            reason.status.clone().unwrap_or_else(|| words.to_owned())
        });
        load.count(counted.measured, counted.warmup, name.as_deref());
        if let (Some(reason), None) = (&verdict.reason, &load.first_failure) {
            let phase = if counted.measured > 0 { Phase::Measured } else { Phase::Warmup };
            load.first_failure = Some(failure(u64::from(counted.place) + 1, phase, None, &verdict, reason));
        }
    }
    for beyond in &replies.beyond {
        load.not_judged += beyond.measured;
        load.count(beyond.measured, beyond.warmup, Some("too many different replies"));
    }
    load.count(not_sent, 0, (not_sent > 0).then_some("not sent"));
    let told = || not_judged(sheet, replies).or_else(|| not_made(&load, was_not_sent.as_deref()));
    if load.first_failure.is_none() {
        load.first_failure = told();
    }
    if !replies.not_connected.is_empty() {
        load.first_failure = Some(plain(ClientFailureKind::Connect, replies.not_connected.clone()));
    }
    Some((client_report(sheet, &load), load))
}

/// Replies that could not be judged do not count as correct.
fn not_judged(sheet: &Sheet, replies: &LoadReplies) -> Option<ClientFailure> {
    let beyond = replies.beyond.first()?;
    let calls: u64 = replies.beyond.iter().map(|beyond| beyond.measured + beyond.warmup).sum();
    let words = format!(
        "{}: too many different replies to keep and judge: the replies of {calls} calls were not kept",
        sheet.name_at(beyond.place)
    );
    Some(plain(ClientFailureKind::WrongReply, words))
}

fn not_made(load: &LoadReport, ended_early: Option<&str>) -> Option<ClientFailure> {
    if let Some(why) = ended_early {
        return Some(plain(ClientFailureKind::RpcError, format!("the load ended early: {why}")));
    }
    (load.not_sent > 0).then(|| {
        let words = format!(
            "{} calls were due but not sent: {} calls, the maximum, were in flight, or the server accepted no more",
            load.not_sent, load.concurrency
        );
        plain(ClientFailureKind::RpcError, words)
    })
}

fn plain(kind: ClientFailureKind, message: String) -> ClientFailure {
    ClientFailure {
        call: 0,
        phase: Phase::Measured,
        invocation: None,
        kind,
        status: None,
        expected: None,
        got: None,
        message,
    }
}

fn client_report(sheet: &Sheet, load: &LoadReport) -> ClientReport {
    ClientReport {
        schema: CLIENT_SCHEMA.to_owned(),
        function: sheet.title(),
        service: String::new(),
        method: String::new(),
        seed: sheet.seed(),
        planned: load.made(),
        verified: load.verified,
        failed: load.failed,
        not_made: load.not_sent,
        warmup: PhaseCount {
            planned: load.warmup_verified + load.warmup_failed,
            verified: load.warmup_verified,
            failed: load.warmup_failed,
        },
        greeting: futon_model::Greeting::None,
        connect_ms: load.connect_ms,
        first_failure: load.first_failure.clone(),
        latency_ms: load.latency_ms.map(|l| LatencyMs {
            p50: l.p50,
            p90: l.p90,
            p99: l.p99,
            max: l.max,
            min: l.min,
            mean: l.mean,
        }),
        latencies_ms: Vec::new(),
        histogram: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use calls::wire::{Broken, Reply};
    use calls::{Counted, Declaration, Options, Source};

    use super::*;

    fn judged(replies: &LoadReplies) -> (ClientReport, LoadReport) {
        let text = "calls: [{http: GET /, expect: {text: right}}]";
        let declaration = Declaration::parse(text, &Source::default()).unwrap();
        let sheet = Sheet::resolve(declaration, Path::new("."), &Options::default()).unwrap();
        let plan = LoadPlan {
            connections: 1,
            concurrency: Some(4),
            rate: None,
            duration: Duration::from_secs(2),
            warmup: Duration::ZERO,
            thresholds: vec!["p99=1ms".parse().unwrap()],
            emulated: false,
        };
        // The guest's claims are ignored.
        let claimed = LoadReport { verified: 1_000_000, duration_s: 2.0, concurrency: 4, ..LoadReport::default() };
        let claimed =
            serde_json::to_value(LoadReport { not_sent: 3 * u64::from(replies.replies.len() == 3), ..claimed });
        let replies = LoadReplies { report: claimed.unwrap().to_string(), ..replies.clone() };
        load_report(&sheet, &replies, &plan).unwrap()
    }

    fn counted(reply: u32, measured: u64, warmup: u64) -> Counted {
        Counted { place: 0, reply, measured, warmup }
    }

    fn reply(body: &str) -> Reply {
        Reply { status: 200, messages: vec![body.into()], ..Reply::default() }
    }

    #[test]
    fn each_distinct_reply_is_judged_for_all_its_calls() {
        let right =
            LoadReplies { replies: vec![reply("right")], counted: vec![counted(0, 100, 7)], ..LoadReplies::default() };
        let (client, load) = judged(&right);
        assert_eq!((load.verified, load.failed, load.verified_per_s, load.warmup_verified), (100, 0, 50.0, 7));
        assert!(load.is_right() && client.first_failure.is_none() && load.thresholds.len() == 1);
        let lost = Reply { broken: Broken::Lost.into(), words: "gone".into(), ..Reply::default() };
        let wrong = LoadReplies {
            replies: vec![reply("right"), reply("wrong"), lost],
            counted: vec![counted(0, 100, 0), counted(1, 1, 1), counted(2, 5, 0)],
            ..LoadReplies::default()
        };
        let (client, load) = judged(&wrong);
        assert_eq!((load.verified, load.failed, load.warmup_failed, client.planned), (100, 9, 1, 109));
        let errors: Vec<_> = load.errors.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(errors, [("UNAVAILABLE", 5), ("not sent", 3), ("wrong reply", 2)]);
        let failure = client.first_failure.unwrap();
        assert!(failure.message.contains("expected \"right\", got \"wrong\""), "{failure:?}");
    }

    #[test]
    fn what_nobody_can_judge_is_no_pass_and_is_named() {
        let beyond = LoadReplies {
            replies: vec![reply("right")],
            counted: vec![counted(0, 100, 0)],
            beyond: vec![counted(0, 40, 2)],
            ..LoadReplies::default()
        };
        let (client, load) = judged(&beyond);
        assert_eq!((load.verified, load.failed, load.not_judged, load.warmup_failed), (100, 40, 40, 2));
        let message = client.first_failure.unwrap().message;
        assert_eq!(
            message,
            "GET /: too many different replies to keep and judge: the replies of 42 calls were not kept"
        );
        let none = LoadReplies { not_connected: "nobody there".into(), ..LoadReplies::default() };
        let (client, load) = judged(&none);
        assert!(!load.is_right() && client.first_failure.unwrap().kind == ClientFailureKind::Connect);
    }
}
