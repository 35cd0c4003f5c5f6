//! Limits, faults of the host, forgery, and the order in which things happen.

use super::super::testing::{ended, exited, good, guest, plan, started, timed, uploaded};
use super::tests::{LOG, judged, powered_off, up_to, verdict_of};
use super::*;

#[test]
fn limits_name_their_step() {
    let struck = |limit: &str| EventKind::LimitStruck { limit: limit.into(), after_ms: 60_000, last_seen: "x".into() };
    let killed = EventKind::MachineExited { status: None, signal: Some(15), stderr: String::new() };
    let boot = vec![good()[0].clone(), struck("boot"), killed.clone()];
    let judgement = judged(boot);
    assert_eq!(verdict_of(&judgement), (Outcome::TimedOut, Some("boot"), Code::NoBoot));
    assert_eq!(judgement.proof, Proof::None);
    let kinds = up_to(&ended("start", 0), vec![struck("start"), killed.clone()]);
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::TimedOut, Some("start"), Code::StepTimedOut));
    let kinds = up_to(&ended("start", 0), vec![struck("run"), killed]);
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::TimedOut, Some("start"), Code::RunTimedOut));
}

#[test]
fn the_hosts_faults_are_not_the_functions() {
    let killed = EventKind::MachineExited { status: None, signal: Some(9), stderr: String::new() };
    let kinds = up_to(&ended("invoke", 0), vec![killed]);
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::Infra, Some("invoke"), Code::MachineDied));

    let failed = EventKind::HostFailed { step: "boot".into(), why: "no qemu".into(), hint: Some("make setup".into()) };
    let judgement = judged(vec![failed]);
    assert_eq!(verdict_of(&judgement), (Outcome::Infra, Some("boot"), Code::MachineNotStarted));
    assert_eq!(judgement.verdict.hint.as_deref(), Some("make setup"));

    let missing = EventKind::RunScriptRequested { status: 404, authentic: false };
    assert_eq!(
        verdict_of(&judged(vec![good()[0].clone(), missing])),
        (Outcome::Infra, Some("fetch"), Code::NoRunScript)
    );

    let full =
        EventKind::UploadFailed { name: "results.log".into(), status: 507, why: "no space".into(), authentic: true };
    let kinds = up_to(&uploaded("results.log", true), vec![full, guest(GuestEvent::Finish { status: 1 })]);
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::Infra, Some("upload"), Code::HostDiskFull));
}

#[test]
fn ctrl_c_is_neither_pass_nor_failure() {
    let kinds = up_to(&ended("invoke", 0), vec![EventKind::Interrupted, exited()]);
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::NotRun, Some("invoke"), Code::Interrupted));
}

#[test]
fn forgery_changes_nothing_and_is_told() {
    let forge = |event: GuestEvent| EventKind::Guest { authentic: false, guest: event };
    let forged = vec![
        EventKind::RunScriptRequested { status: 200, authentic: false },
        forge(GuestEvent::StepEnded {
            name: "invoke".into(),
            exit_status: Some(0),
            signal: None,
            timed_out: false,
            duration_ms: 1,
            tail: String::new(),
        }),
        forge(GuestEvent::Finish { status: 0 }),
        uploaded("results.log", false),
    ];
    // A run that would pass still does, and reports the attempt.
    let mut kinds = good();
    kinds.splice(8..8, forged.clone());
    let judgement = judged(kinds);
    assert!(judgement.verdict.is_pass(), "{:?}", judgement.verdict);
    assert!(judgement.remarks.iter().filter(|r| r.starts_with("forgery")).count() == 2, "{:?}", judgement.remarks);
    // A run that would fail still does.
    let mut kinds = up_to(&ended("invoke", 0), forged);
    kinds.extend(powered_off());
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::Crashed, Some("invoke"), Code::GuestPoweredOff));
}

#[test]
fn a_foreign_script_gives_less_proof() {
    let mut plan = plan();
    plan.script = ScriptKind::Foreign;
    plan.steps.clear();
    plan.client = None;
    plan.images.clear();
    // Without a placeholder for the token no answer is authentic.
    let script = EventKind::RunScriptRequested { status: 200, authentic: false };
    let mut kinds = vec![good()[0].clone(), script, uploaded("results.log", false)];
    kinds.extend(powered_off());
    let events = timed(kinds);
    let logs = [LOG.to_owned()];
    let witnesses = Witnesses { plan: &plan, events: &events, client: None, results_logs: &logs, native_speed: false };
    let judgement = judge(&witnesses);
    assert!(judgement.verdict.is_pass(), "{:?}", judgement.verdict);
    assert_eq!(judgement.proof, Proof::Log);
    assert!(judgement.remarks.is_empty());
    let names: Vec<_> = judgement.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["boot", "script", "shutdown"]);
    assert_eq!(judge(&Witnesses { results_logs: &[], ..witnesses }).verdict.code, Code::NoResultsLog);
}

#[test]
fn steps_out_of_order_fail() {
    let mut kinds = good();
    let at = kinds.iter().position(|k| *k == started("ready")).unwrap();
    let ready: Vec<_> = kinds.drain(at..at + 2).collect();
    let end = kinds.iter().position(|k| *k == ended("stop", 0)).unwrap();
    kinds.splice(end + 1..end + 1, ready);
    assert_eq!(judged(kinds).verdict.code, Code::StepMissing);
}

/// Found by the properties: a good answer before a bad one hid it.
#[test]
fn a_run_script_that_was_not_there_for_the_guest_itself_counts() {
    let mut kinds = good();
    kinds.insert(2, EventKind::RunScriptRequested { status: 404, authentic: true });
    assert_eq!(judged(kinds).verdict.code, Code::NoRunScript);
    // A request from elsewhere is not a witness.
    let mut kinds = good();
    kinds.insert(2, EventKind::RunScriptRequested { status: 404, authentic: false });
    assert_eq!(judged(kinds).verdict.code, Code::AllWitnessesAgree);
}

/// Found by the properties: a good report before a bad one hid it.
#[test]
fn of_two_ends_of_the_machine_the_bad_one_counts() {
    let killed = EventKind::MachineExited { status: Some(0), signal: Some(11), stderr: String::new() };
    for at in [0, 1] {
        let mut kinds = good();
        kinds.insert(kinds.len() - at, killed.clone());
        assert_eq!(judged(kinds).verdict.code, Code::MachineDied, "{at}");
    }
}
