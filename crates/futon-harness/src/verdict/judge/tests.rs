use futon_model::{Base, ClientFailure, ClientFailureKind, ClientReport, Phase, Plan, Unready};

use super::super::testing::{CONFIG, client, ended, exited, good, guest, plan, timed, uploaded};
use super::*;

pub(super) const LOG: &str = "=== step pull\n\nSUCCESS: All commands completed successfully\n";

pub(super) fn judged(kinds: Vec<EventKind>) -> Judgement {
    judged_with(kinds, Some(client()), &[LOG.to_owned()])
}

pub(super) fn judged_with(
    kinds: Vec<EventKind>,
    client: impl Into<Option<ClientReport>>,
    logs: &[String],
) -> Judgement {
    let (plan, events, client) = (plan(), timed(kinds), client.into());
    judge(&Witnesses { plan: &plan, events: &events, client: client.as_ref(), results_logs: logs, native_speed: false })
}

pub(super) fn verdict_of(judgement: &Judgement) -> (Outcome, Option<&str>, Code) {
    (judgement.verdict.outcome, judgement.verdict.step.as_deref(), judgement.verdict.code)
}

/// Events of a good run up to the first that `stop` picks, followed by `more`.
pub(super) fn up_to(stop: &EventKind, more: Vec<EventKind>) -> Vec<EventKind> {
    let mut kinds: Vec<_> = good().into_iter().take_while(|k| k != stop).collect();
    kinds.extend(more);
    kinds
}

pub(super) fn powered_off() -> Vec<EventKind> {
    vec![EventKind::MachineShutdown { reason: ShutdownReason::GuestShutdown }, exited()]
}

#[test]
fn a_good_run_passes_with_full_proof() {
    let judgement = judged(good());
    assert_eq!(verdict_of(&judgement), (Outcome::Passed, None, Code::AllWitnessesAgree));
    assert_eq!(judgement.proof, Proof::Full);
    assert!(judgement.remarks.is_empty(), "{:?}", judgement.remarks);
    let names: Vec<_> = judgement.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["boot", "fetch", "pull", "start", "ready", "invoke", "log", "stop", "upload", "shutdown"]);
}

/// A run that only describes makes no calls, and need not prove any.
#[test]
fn a_run_that_looks_needs_no_report_of_calls() {
    let (mut plan, events) = (plan(), timed(good()));
    let looked = |plan: &Plan| {
        let logs = [LOG.to_owned()];
        judge(&Witnesses { plan, events: &events, client: None, results_logs: &logs, native_speed: false })
    };
    assert_eq!(looked(&plan).verdict.code, Code::NotVerified);
    plan.client.as_mut().unwrap().describes = true;
    let judgement = looked(&plan);
    assert_eq!(judgement.verdict.code, Code::AllWitnessesAgree);
    assert!(judgement.invocations.is_none());
}

#[test]
fn nothing_at_all_is_not_a_pass() {
    assert_ne!(judged_with(Vec::new(), None, &[]).verdict.outcome, Outcome::Passed);
}

fn unready(reason: Unready) -> Verdict {
    let event = guest(GuestEvent::Unready { name: "function".into(), waited_ms: 60_100, reason });
    let mut kinds = up_to(&ended("ready", 0), vec![event, ended("ready", 1), guest(GuestEvent::Finish { status: 1 })]);
    kinds.extend(powered_off());
    judged(kinds).verdict
}

#[test]
fn a_function_that_does_not_serve_says_why() {
    let v = unready(Unready::LoopbackOnly { at: vec!["127.0.0.1:50051".parse().unwrap()] });
    assert_eq!((v.outcome, v.step.as_deref(), v.code), (Outcome::Failed, Some("ready"), Code::ListensOnLoopback));
    assert_eq!(
        v.why,
        "the function did not serve within 60.1 s: it listens only on 127.0.0.1:50051, which cannot be reached from outside the container"
    );
    assert_eq!(v.hint.unwrap(), "let the function listen on 0.0.0.0:50051");
    let exit = |oom_killed| Unready::Exited { status: 137, oom_killed, kernel_said: None, runtime_said: None };
    let v = unready(exit(false));
    assert_eq!(v.why, "the container did not stay up: it exited with status 137 (SIGKILL) after 60.1 s");
    let v = unready(exit(true));
    assert_eq!((v.outcome, v.code), (Outcome::Crashed, Code::OutOfMemory));
    assert!(v.hint.unwrap().contains("mem_limit"));
}

#[test]
fn a_wait_that_the_step_ended_names_the_limit_and_no_nothing() {
    let timed_out = guest(GuestEvent::StepEnded {
        name: "ready".into(),
        exit_status: None,
        signal: None,
        timed_out: true,
        duration_ms: 60_000,
        tail: String::new(),
    });
    let mut kinds = up_to(&ended("ready", 0), vec![timed_out, guest(GuestEvent::Finish { status: 124 })]);
    kinds.extend(powered_off());
    let v = judged(kinds).verdict;
    assert_eq!((v.outcome, v.code), (Outcome::TimedOut, Code::StepTimedOut));
    assert_eq!(v.why, "the step did not end within its limit of 1m (limit ready); it printed nothing");
}

#[test]
fn a_program_that_the_runtime_does_not_find_is_named_so() {
    let start = |said: &str| {
        let failed = guest(GuestEvent::StepEnded {
            name: "start".into(),
            exit_status: Some(1),
            signal: None,
            timed_out: false,
            duration_ms: 100,
            tail: format!("container made\nfuton-guest: cannot start the container function: {said}\n"),
        });
        let mut kinds = up_to(&ended("start", 0), vec![failed, guest(GuestEvent::Finish { status: 1 })]);
        kinds.extend(powered_off());
        judged(kinds).verdict
    };
    for said in [
        "failed to create shim task: OCI runtime create failed: executable file `/x` not found: No such file or directory: unknown",
        "crun: exit status: 1: the path `/app` is not a regular file: Operation not permitted",
        "no command specified",
    ] {
        let v = start(said);
        assert_eq!((v.outcome, v.code), (Outcome::Failed, Code::NotExecutable), "{said}");
        assert!(v.why.contains(said) && v.hint.unwrap().contains("entrypoint"));
    }
    assert_eq!(start("address already in use").code, Code::StepFailed);
    let full = start("mkdir /var/lib/docker/x: no space left on device");
    assert_eq!((full.step.as_deref(), full.code), (Some("start"), Code::GuestDiskFull));
}

fn failed_call(status: &str, message: &str) -> Verdict {
    let mut client = client();
    client.first_failure = Some(ClientFailure {
        call: 1,
        phase: Phase::Greeting,
        invocation: None,
        kind: ClientFailureKind::RpcError,
        status: Some(status.into()),
        expected: None,
        got: None,
        message: message.into(),
    });
    let mut kinds = up_to(&ended("invoke", 0), vec![ended("invoke", 1), guest(GuestEvent::Finish { status: 1 })]);
    kinds.extend(powered_off());
    judged_with(kinds, Some(client), &["FAIL: invoke\n".into()]).verdict
}

#[test]
fn a_status_has_its_own_code_and_hint() {
    let v = failed_call("UNIMPLEMENTED", "unknown service fibonacci.Greeter");
    assert_eq!(v.code, Code::Unimplemented);
    assert!(v.hint.unwrap().contains("--client"));
    let v = failed_call("OUT_OF_RANGE", "Error, decoded message length too large: found 5000000 bytes");
    assert_eq!(v.code, Code::ReplyTooLarge);
    assert!(v.hint.unwrap().contains("4 MiB"));
    assert_eq!(failed_call("INTERNAL", "x").code, Code::CallFailed);
    let v =
        failed_call("UNKNOWN", "call 1 (greeting) for \"1\": status UNKNOWN: http2 error: stream error received: y");
    let begin = "call 1 (the greeting): UNKNOWN: http2 error: stream error received: y (the call was reset";
    assert!(v.why.starts_with(begin) && v.why.contains("16 KiB"), "{}", v.why);
}

#[test]
fn a_status_message_stays_one_line_and_steers_nothing() {
    let v = failed_call("INTERNAL", &format!("first\nsecond \u{1b}[2J{}", "x".repeat(10_240)));
    assert!(v.why.contains(r"first\nsecond \u{1b}[2Jxxx") && v.why.ends_with('…'), "{}", v.why);
    assert!(v.why.chars().count() < 1000 && !v.why.chars().any(char::is_control));
}

#[test]
fn a_kill_after_the_grace_is_a_remark() {
    let stopped =
        guest(GuestEvent::Stopped { name: "function".into(), took_ms: 10_200, grace_ms: 10_000, killed: true });
    let mut kinds = good();
    let at = kinds.iter().position(|k| *k == ended("stop", 0)).unwrap();
    kinds.insert(at, stopped);
    let judgement = judged(kinds);
    assert!(judgement.verdict.is_pass(), "{:?}", judgement.verdict);
    assert_eq!(
        judgement.remarks,
        ["the container function did not stop within its grace period of 10.0 s and was killed"]
    );
}

#[test]
fn a_container_that_ended_by_itself_is_a_remark() {
    let remarks = |exit_code: Option<i64>, restarts: u64, last_exit: Option<i64>, authentic: bool| {
        let status = if exit_code.is_some() { "exited" } else { "running" }.to_owned();
        let name = "function".to_owned();
        let state = GuestEvent::ContainerState { name, status, exit_code, oom_killed: false, restarts, last_exit };
        let mut kinds = good();
        let at = kinds.iter().position(|k| *k == ended("log", 0)).unwrap();
        kinds.insert(at, EventKind::Guest { authentic, guest: state });
        let judgement = judged(kinds);
        assert!(judgement.verdict.is_pass(), "{:?}", judgement.verdict);
        judgement.remarks
    };
    for (exit_code, restarts, last_exit, remark) in [
        (Some(3), 0, None, "the container function ended by itself with status 3 before it was stopped"),
        (Some(0), 0, None, "the container function ended by itself with status 0 before it was stopped"),
        (
            Some(139),
            2,
            Some(1),
            "the container function ended by itself with status 139 (SIGSEGV, segmentation fault) before it was stopped; \
             before, it was restarted 2 times",
        ),
        (None, 1, Some(3), "the container function ended by itself, last with status 3, and was restarted once"),
        (None, 4, None, "the container function ended by itself, and was restarted 4 times"),
    ] {
        assert_eq!(remarks(exit_code, restarts, last_exit, true), [remark]);
        assert_eq!(remarks(exit_code, restarts, last_exit, false).len(), 1, "only the forgery");
    }
    assert_eq!(remarks(None, 0, None, true), Vec::<String>::new());
}

#[test]
fn a_log_that_is_not_whole_is_a_remark() {
    let cut = GuestEvent::LogNotWhole { file: "container.log".into(), why: "it was cut after 16 MiB".into() };
    let mut kinds = good();
    let at = kinds.iter().position(|k| *k == ended("log", 0)).unwrap();
    kinds.insert(at, EventKind::Guest { authentic: false, guest: cut.clone() });
    assert_eq!(judged(kinds.clone()).remarks.len(), 1, "forgery");
    kinds[at] = guest(cut);
    assert_eq!(judged(kinds).remarks, ["container.log is not the container's whole log: it was cut after 16 MiB"]);
}

#[test]
fn hints_name_files_that_the_machine_has() {
    let mut plan = plan();
    for (kind, file) in
        [(MachineKind::Qemu, "qemu.log"), (MachineKind::Gem5, "gem5/"), (MachineKind::Fake, "events.jsonl")]
    {
        plan.machine.kind = kind;
        let killed = EventKind::MachineExited { status: None, signal: Some(9), stderr: String::new() };
        let events = timed(up_to(&ended("invoke", 0), vec![killed]));
        let witnesses =
            Witnesses { plan: &plan, events: &events, client: None, results_logs: &[], native_speed: false };
        let hint = judge(&witnesses).verdict.hint.unwrap();
        assert!(hint.contains(file), "{hint}");
    }
}

/// Removes one witness after another: a run needs them all to pass.
#[test]
fn every_witness_is_needed() {
    let all = good();
    for (i, missing) in all.iter().enumerate() {
        // A step's end is a witness, its start is not; the machine's start only starts the clock.
        let no_proof = matches!(
            missing,
            EventKind::Guest { guest: GuestEvent::StepStarted { .. }, .. } | EventKind::MachineStarted { .. }
        );
        // Uploads are separate witnesses, below.
        let seen_elsewhere = matches!(missing, EventKind::Uploaded { .. });
        if no_proof || seen_elsewhere {
            continue;
        }
        let mut kinds = all.clone();
        kinds.remove(i);
        assert!(!judged(kinds).verdict.is_pass(), "passed without {missing:?}");
    }
    assert!(!judged_with(good(), None, &[LOG.to_owned()]).verdict.is_pass(), "passed without the client's report");
    assert!(!judged_with(good(), Some(client()), &[]).verdict.is_pass(), "passed without a results log");
}

#[test]
fn a_log_that_does_not_end_with_success_fails() {
    for log in ["", "FAIL: pull\n", "SUCCESS: All commands completed successfully\nFAIL: stop\n"] {
        let judgement = judged_with(good(), Some(client()), &[log.to_owned()]);
        assert_eq!(judgement.verdict.code, Code::LogSaysFailed, "{log:?}");
    }
    let both = [LOG.to_owned(), "FAIL: x".to_owned()];
    assert_eq!(judged_with(good(), Some(client()), &both).verdict.code, Code::LogSaysFailed);
}

#[test]
fn fewer_replies_than_planned_fail() {
    for spoil in [
        |c: &mut ClientReport| c.verified = 19,
        |c: &mut ClientReport| c.planned = 19,
        |c: &mut ClientReport| c.failed = 1,
        |c: &mut ClientReport| c.greeting = futon_model::Greeting::Failed,
    ] {
        let mut client = client();
        spoil(&mut client);
        let judgement = judged_with(good(), Some(client), &[LOG.to_owned()]);
        assert_eq!(verdict_of(&judgement), (Outcome::Failed, Some("invoke"), Code::NotVerified));
    }
}

#[test]
fn another_image_fails() {
    let other = CONFIG.replace('1', "3");
    let kinds = good().into_iter().map(|k| match k {
        EventKind::Guest { guest: GuestEvent::Container { name, image, .. }, .. } => {
            guest(GuestEvent::Container { name, image, image_id: other.clone(), repo_digests: Vec::new() })
        }
        other => other,
    });
    assert_eq!(judged(kinds.collect()).verdict.code, Code::WrongImage);
}

#[test]
fn a_failed_call_is_told_with_its_number() {
    let mut client = client();
    client.verified = 2;
    client.first_failure = Some(ClientFailure {
        call: 4,
        phase: Phase::Measured,
        invocation: Some(3),
        kind: ClientFailureKind::WrongReply,
        status: None,
        expected: Some("y = 1".into()),
        got: Some("y = 2".into()),
        message: "wrong".into(),
    });
    let mut kinds = up_to(
        &ended("invoke", 0),
        vec![ended("invoke", 1), uploaded("results.log", true), guest(GuestEvent::Finish { status: 1 })],
    );
    kinds.extend(powered_off());
    let judgement = judged_with(kinds.clone(), Some(client.clone()), &["FAIL: invoke\n".into()]);
    assert_eq!(verdict_of(&judgement), (Outcome::Failed, Some("invoke"), Code::WrongReply));
    assert_eq!(judgement.verdict.why, "call 4 (invocation 3 of 20): wrong reply: expected \"y = 1\", got \"y = 2\"");

    if let Some(failure) = &mut client.first_failure {
        failure.kind = ClientFailureKind::Deadline;
    }
    let judgement = judged_with(kinds, Some(client), &["FAIL: invoke\n".into()]);
    assert_eq!(verdict_of(&judgement), (Outcome::TimedOut, Some("invoke"), Code::CallTimedOut));
}

#[test]
fn a_missing_image_is_a_failed_pull() {
    let request = EventKind::ImageRequested { reference: "vhiveease/nothing:latest".into(), digest: None, status: 404 };
    let mut kinds = up_to(&ended("pull", 0), vec![request, ended("pull", 1), guest(GuestEvent::Finish { status: 1 })]);
    kinds.extend(powered_off());
    let judgement = judged(kinds);
    assert_eq!(verdict_of(&judgement), (Outcome::Failed, Some("pull"), Code::ImageNotFound));
    assert!(judgement.verdict.hint.is_some());
}

/// The verdict of a pull that failed with this output.
fn failed_pull(change: impl FnOnce(&mut Plan), words: &str, before: Vec<EventKind>) -> Verdict {
    let mut plan = plan();
    change(&mut plan);
    let mut step = ended("pull", 1);
    if let EventKind::Guest { guest: GuestEvent::StepEnded { tail, .. }, .. } = &mut step {
        words.clone_into(tail);
    }
    let mut kinds = up_to(&ended("pull", 0), before);
    kinds.extend([step, guest(GuestEvent::Finish { status: 1 })]);
    kinds.extend(powered_off());
    let events = timed(kinds);
    judge(&Witnesses { plan: &plan, events: &events, client: None, results_logs: &[], native_speed: false }).verdict
}

#[test]
fn a_missing_image_is_answered_with_near_names() {
    let request =
        EventKind::ImageRequested { reference: "library/my-function:latest".into(), digest: None, status: 404 };
    let near = |plan: &mut Plan| plan.images[0].near = vec!["localhost/my-function:latest".into()];
    let verdict = failed_pull(near, "unknown", vec![request]);
    assert_eq!(verdict.code, Code::ImageNotFound);
    assert!(verdict.hint.unwrap().contains("the store has localhost/my-function:latest"));
}

#[test]
fn a_full_guest_names_its_size_and_the_flag() {
    let full = "cannot unpack function/rootfs/big: No space left on device (os error 28)";
    let docker = failed_pull(|_| {}, full, Vec::new());
    assert_eq!(docker.code, Code::GuestDiskFull);
    assert!(docker.hint.unwrap().contains("--disk-size"));
    let lean = failed_pull(|plan| (plan.machine.base, plan.machine.memory_mib) = (Base::Lean, 2048), full, Vec::new());
    assert_eq!(lean.code, Code::GuestDiskFull);
    assert!(lean.why.contains("2048 MiB"), "{}", lean.why);
    assert!(lean.hint.unwrap().contains("--memory 4096"));
}

#[test]
fn the_engines_reason_is_the_reason() {
    let words = "pull me/x:v1\nfuton-guest: cannot pull me/x:v1: failed to register layer: max depth exceeded\n";
    let verdict = failed_pull(|_| {}, words, Vec::new());
    assert_eq!(verdict.code, Code::StepFailed);
    assert!(verdict.why.contains("failed to register layer: max depth exceeded"), "{}", verdict.why);
    assert!(verdict.hint.unwrap().contains("engine.log"));
}

#[test]
fn a_guest_that_goes_away_has_crashed_in_its_step() {
    let kinds = up_to(&ended("invoke", 0), powered_off());
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::Crashed, Some("invoke"), Code::GuestPoweredOff));
    let panic =
        EventKind::ConsoleAlarm { alarm: Alarm::KernelPanic, line: "[ 1.0] Kernel panic - not syncing: x".into() };
    let reset = EventKind::MachineShutdown { reason: ShutdownReason::GuestReset };
    let kinds = up_to(&ended("pull", 0), vec![panic, reset.clone(), exited()]);
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::Crashed, Some("pull"), Code::GuestPanic));
    let kinds = up_to(&ended("pull", 0), vec![reset, exited()]);
    assert_eq!(verdict_of(&judged(kinds)), (Outcome::Crashed, Some("pull"), Code::GuestReset));
}

#[test]
fn an_out_of_memory_kill_is_a_crash_even_when_the_script_ends_in_order() {
    let alarm = EventKind::ConsoleAlarm {
        alarm: Alarm::OutOfMemoryKill,
        line: "[ 9.0] Out of memory: Killed process 1 (server)".into(),
    };
    let log = guest(GuestEvent::StepStarted { name: "log".into() });
    let in_time = vec![alarm.clone(), ended("invoke", 1), log.clone()];
    // The console is polled: its lines may arrive after the report of the step that they belong to.
    let late = vec![ended("invoke", 1), log, alarm];
    for ends in [in_time, late] {
        let mut kinds = up_to(&ended("invoke", 0), ends);
        kinds.push(guest(GuestEvent::Finish { status: 1 }));
        kinds.extend(powered_off());
        let judgement = judged(kinds);
        assert_eq!(verdict_of(&judgement), (Outcome::Crashed, Some("invoke"), Code::OutOfMemory));
        assert!(judgement.verdict.hint.unwrap().contains("--memory"));
    }
}

#[test]
fn a_containers_own_limit_is_told_from_the_machines() {
    let alarm = EventKind::ConsoleAlarm {
        alarm: Alarm::OutOfMemoryKill,
        line: "[ 9.0] Memory cgroup out of memory: Killed process 1 (server)".into(),
    };
    let kinds = up_to(&ended("invoke", 0), vec![alarm, ended("invoke", 1)]);
    assert!(judged(kinds).verdict.hint.unwrap().contains("mem_limit"));
}
