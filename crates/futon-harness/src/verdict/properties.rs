//! The verdict under random changes of the events: removing, doubling, moving, altering or forging events never makes a pass.

use futon_model::{Alarm, Event, EventKind, GuestEvent, Judgement, Outcome, Plan, ShutdownReason, steps};
use proptest::prelude::*;
use proptest::sample::Index;

use super::testing::{CONFIG, MANIFEST, client, good, plan, timed, uploaded};
use super::{Witnesses, judge};

const LOG: &str = "SUCCESS: All commands completed successfully\n";

/// One change to a run.
#[derive(Debug, Clone)]
enum Change {
    Drop(Index),
    Double(Index, Index),
    Move(Index, Index),
    Spoil(Index),
    Unsign(Index),
    Insert(Index, Box<EventKind>),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Change::Drop),
        (index(), index()).prop_map(|(from, to)| Change::Double(from, to)),
        (index(), index()).prop_map(|(from, to)| Change::Move(from, to)),
        index().prop_map(Change::Spoil),
        index().prop_map(Change::Unsign),
        (index(), trouble()).prop_map(|(at, event)| Change::Insert(at, Box::new(event))),
    ]
}

/// An event that never occurs in a pass.
fn trouble() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        Just(EventKind::Interrupted),
        Just(EventKind::HostFailed { step: "boot".into(), why: "no".into(), hint: None }),
        Just(EventKind::LimitStruck { limit: "run".into(), after_ms: 1, last_seen: String::new() }),
        Just(EventKind::ConsoleAlarm { alarm: Alarm::KernelOops, line: "Oops".into() }),
        Just(EventKind::RunScriptRequested { status: 200, authentic: true }),
        Just(EventKind::MachineShutdown { reason: ShutdownReason::GuestReset }),
        Just(EventKind::MachineExited { status: None, signal: Some(9), stderr: String::new() }),
    ]
}

/// A passing run with its uploads.
fn base() -> Vec<EventKind> {
    let mut kinds = good();
    let at = kinds.iter().position(|k| *k == uploaded("results.log", true)).unwrap();
    kinds.insert(at, uploaded("client.json", true));
    kinds
}

fn apply(kinds: &mut Vec<EventKind>, change: &Change) {
    if kinds.is_empty() {
        return;
    }
    match change {
        Change::Drop(at) => drop(kinds.remove(at.index(kinds.len()))),
        Change::Double(from, to) => {
            let copy = kinds[from.index(kinds.len())].clone();
            kinds.insert(to.index(kinds.len()), copy);
        }
        Change::Move(from, to) => {
            let moved = kinds.remove(from.index(kinds.len()));
            let to = to.index(kinds.len() + 1);
            kinds.insert(to, moved);
        }
        Change::Spoil(at) => {
            let at = at.index(kinds.len());
            spoil(&mut kinds[at]);
        }
        Change::Unsign(at) => {
            let at = at.index(kinds.len());
            unsign(&mut kinds[at]);
        }
        Change::Insert(at, event) => kinds.insert(at.index(kinds.len()), (**event).clone()),
    }
}

/// Alters an event.
fn spoil(kind: &mut EventKind) {
    match kind {
        EventKind::Guest { guest, .. } => match guest {
            GuestEvent::StepEnded { exit_status, .. } => *exit_status = Some(1),
            GuestEvent::Finish { status } => *status = 1,
            GuestEvent::Container { image_id, .. } => *image_id = MANIFEST.replace('2', "3"),
            GuestEvent::StepStarted { name } => name.push('x'),
            _ => {}
        },
        EventKind::MachineShutdown { reason } => *reason = ShutdownReason::GuestPanic,
        EventKind::RunScriptRequested { status, .. } => *status = 404,
        EventKind::Uploaded { name, .. } => name.push('x'),
        EventKind::MachineExited { signal, .. } => *signal = Some(11),
        _ => {}
    }
}

/// Removes the token.
fn unsign(kind: &mut EventKind) {
    match kind {
        EventKind::Guest { authentic, .. }
        | EventKind::RunScriptRequested { authentic, .. }
        | EventKind::Uploaded { authentic, .. } => *authentic = false,
        _ => {}
    }
}

fn judged(plan: &Plan, events: &[Event]) -> Judgement {
    let arrived = |wanted: &str| {
        let count = events
            .iter()
            .filter(|e| matches!(&e.kind, EventKind::Uploaded { name, authentic: true, .. } if name == wanted));
        count.count()
    };
    let client = (arrived("client.json") > 0).then(client);
    let results_logs = vec![LOG.to_owned(); arrived("results.log")];
    judge(&Witnesses { plan, events, client: client.as_ref(), results_logs: &results_logs, native_speed: false })
}

/// Whether every witness is there and reports success: a second implementation, without the judge's own code.
fn all_agree(events: &[Event]) -> Result<(), String> {
    let mut script = Vec::new();
    let (mut shutdowns, mut exits, mut logs, mut clients, mut tokens) = (0, 0, 0, 0, 0);
    for event in events {
        match &event.kind {
            EventKind::RunScriptRequested { status: 200, authentic: true } => {
                tokens += 1;
                script.push("token".to_owned());
            }
            EventKind::RunScriptRequested { status: 200, .. } => {}
            EventKind::Guest { authentic: true, guest } => match guest {
                GuestEvent::StepEnded { name, exit_status: Some(0), signal: None, timed_out: false, .. } => {
                    script.push(name.clone());
                }
                GuestEvent::StepEnded { .. } => return Err("a bad step".into()),
                GuestEvent::Finish { status: 0 } => script.push("finish".into()),
                GuestEvent::Finish { .. } => return Err("a bad end".into()),
                GuestEvent::Container { image_id, .. } if image_id == CONFIG => script.push("image".into()),
                GuestEvent::Container { .. } => return Err("another image".into()),
                _ => {}
            },
            EventKind::MachineShutdown { reason: ShutdownReason::GuestShutdown } => {
                shutdowns += 1;
                script.push("shutdown".into());
            }
            EventKind::MachineExited { signal: None, .. } => {
                exits += 1;
                script.push("exit".into());
            }
            EventKind::Uploaded { name, authentic: true, .. } if name == "results.log" => logs += 1,
            EventKind::Uploaded { name, authentic: true, .. } if name == "client.json" => clients += 1,
            EventKind::Uploaded { .. } | EventKind::MachineStarted { .. } | EventKind::Guest { .. } => {}
            other => return Err(format!("{other:?}")),
        }
    }
    if !script.iter().any(|word| word == "image")
        || tokens != 1
        || shutdowns == 0
        || exits == 0
        || logs == 0
        || clients == 0
    {
        return Err(format!(
            "{script:?}, {tokens} tokens, {shutdowns} shutdowns, {exits} exits, {logs} logs, {clients} reports"
        ));
    }
    // The time of the image's report does not matter, and neither do repeated reports.
    script.retain(|word| word != "image");
    let mut wanted = vec!["token"];
    wanted.extend(steps::GUEST);
    let ends = &script[wanted.len().min(script.len())..];
    let mut last = ends.to_vec();
    last.dedup();
    if script.len() < wanted.len() || script[..wanted.len()] != wanted[..] || last != ["finish", "shutdown", "exit"] {
        return Err(format!("order: {script:?}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pass_needs_every_witness(changes in prop::collection::vec(change(), 1..6)) {
        let mut kinds = base();
        changes.iter().for_each(|change| apply(&mut kinds, change));
        let (plan, events) = (plan(), timed(kinds));
        let judgement = judged(&plan, &events);
        match all_agree(&events) {
            Ok(()) => prop_assert!(judgement.verdict.is_pass(), "{:?}", judgement.verdict),
            Err(why) => prop_assert!(!judgement.verdict.is_pass(), "passed with {why}: {events:#?}"),
        }
        if !judgement.verdict.is_pass() {
            prop_assert!(!judgement.verdict.why.is_empty());
        }
    }

    /// Without the token nobody can make a failing run pass or a passing run fail.
    #[test]
    fn forgery_changes_no_verdict(
        changes in prop::collection::vec(change(), 0..3),
        forged in prop::collection::vec((any::<Index>(), any::<Index>(), any::<bool>()), 1..20),
    ) {
        let mut kinds = base();
        changes.iter().for_each(|change| apply(&mut kinds, change));
        let plan = plan();
        let before = judged(&plan, &timed(kinds.clone()));
        let source = base();
        for (which, at, bad) in forged {
            let mut event = which.get(&source).clone();
            if !matches!(event, EventKind::Guest { .. } | EventKind::Uploaded { .. }) {
                continue;
            }
            if bad {
                spoil(&mut event);
            }
            unsign(&mut event);
            kinds.insert(at.index(kinds.len() + 1), event);
        }
        let after = judged(&plan, &timed(kinds));
        prop_assert_eq!(before.verdict.outcome, after.verdict.outcome);
        prop_assert_eq!(before.verdict.code, after.verdict.code);
    }

    /// Events and verdicts survive being written and read again.
    #[test]
    fn records_are_read_back(changes in prop::collection::vec(change(), 0..6)) {
        let mut kinds = base();
        changes.iter().for_each(|change| apply(&mut kinds, change));
        let events = timed(kinds);
        for event in &events {
            let line = serde_json::to_string(event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Event>(&line).unwrap(), event);
        }
        let judgement = judged(&plan(), &events);
        let text = serde_json::to_string(&judgement).unwrap();
        prop_assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
    }
}

#[test]
fn the_base_of_all_this_passes() {
    let events = timed(base());
    assert_eq!(judged(&plan(), &events).verdict.outcome, Outcome::Passed);
    all_agree(&events).unwrap();
}
