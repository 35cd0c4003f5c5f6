//! The file as a program reads it that knows nothing of futon.

use junit_parser::{TestCase, TestStatus, TestSuite, from_reader};
use serde_json::{Value, json};

use super::*;

fn function(name: &str, verdict: &Value, more: &Value) -> Value {
    let digest = format!("sha256:{}", "a".repeat(64));
    let mut function = json!({"name": name, "image": "me/f:v1",
        "digests": [{"reference": "me/f:v1", "index": null, "manifest": digest, "config": null}],
        "machine": {"kind": "qemu", "version": "QEMU 7.2", "accelerator": "tcg", "accelerator_reason": "", "vcpus": 2,
            "memory_mib": 2048, "base_image": "base.img", "kernel": "kernel"},
        "proof": "full", "verdict": verdict, "steps": [], "invocations": null, "remarks": [], "duration_ms": 1250,
        "folder": "/runs/f/results"});
    for (key, value) in more.as_object().unwrap() {
        function[key] = value.clone();
    }
    function
}

/// A report as a run makes it, as its reader sees it.
fn read(functions: Vec<Value>) -> TestSuite {
    read_and_written(functions).0
}

/// The same, and the file.
fn read_and_written(functions: Vec<Value>) -> (TestSuite, String) {
    let functions = serde_json::from_value(functions.into()).unwrap();
    let started = std::time::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let report = crate::report::report(functions, started, Duration::from_millis(3500));
    let xml = junit(&report).unwrap();
    if let Ok(folder) = std::env::var("FUTON_TEST_KEEP") {
        std::fs::write(format!("{folder}/junit.xml"), &xml).unwrap();
    }
    let mut suites = from_reader(xml.as_bytes()).unwrap_or_else(|e| panic!("{e}: {xml}"));
    let s = report.summary;
    assert_eq!(suites.suites.len(), 1);
    let suite = suites.suites.remove(0);
    assert_eq!(
        (suite.name.as_str(), suite.tests, suite.failures, suite.errors),
        ("futon", s.total as u64, s.failed as u64, s.infra as u64),
        "{xml}"
    );
    assert_eq!(suite.skipped, s.not_run as u64);
    assert_eq!(suite.timestamp.as_deref(), Some("2026-09-21T14:13:20.000+00:00"));
    (suite, xml)
}

fn property<'a>(case: &'a TestCase, name: &str) -> Option<&'a str> {
    case.properties.hashmap.get(name).map(String::as_str)
}

fn kinds(case: &TestCase) -> Vec<String> {
    case.reruns.iter().map(|rerun| format!("{:?}", rerun.kind)).collect()
}

fn attempt(outcome: &str, step: &str) -> Value {
    json!({"outcome": outcome, "step": step, "code": "call_failed", "why": "no answer", "duration_ms": 700,
        "folder": "/runs/f.attempt-1/results"})
}

#[test]
fn each_outcome_is_what_the_summary_counts() {
    let verdict = |outcome: &str, step: Option<&str>, code: &str| json!({"outcome": outcome, "step": step, "code": code, "why": "w", "hint": "h"});
    let suite = read(vec![
        function("passed", &verdict("passed", None, "all_witnesses_agree"), &json!({})),
        function("failed", &verdict("failed", Some("invoke"), "wrong_reply"), &json!({})),
        function("crashed", &verdict("crashed", Some("pull"), "guest_panic"), &json!({})),
        function("no-boot", &verdict("timed_out", Some("boot"), "no_boot"), &json!({})),
        function("infra", &verdict("infra", None, "host_failed"), &json!({})),
        function("left-out", &verdict("not_run", None, "step_failed"), &json!({})),
    ]);
    let words: Vec<&str> = suite
        .cases
        .iter()
        .map(|case| match &case.status {
            TestStatus::Success => "success",
            TestStatus::Failure(_) => "failure",
            TestStatus::Error(_) => "error",
            TestStatus::Skipped(_) => "skipped",
        })
        .collect();
    assert_eq!(words, ["success", "failure", "failure", "error", "error", "skipped"]);
    let TestStatus::Failure(failure) = &suite.cases[1].status else { panic!() };
    assert_eq!((failure.message.as_str(), failure.failure_type.as_str()), ("failed in invoke: w", "wrong_reply"));
    assert_eq!(failure.text, "hint: h");
    let case = &suite.cases[1];
    for (name, value) in [
        ("verdict.code", "wrong_reply"),
        ("verdict.step", "invoke"),
        ("attempts", "1"),
        ("machine.kind", "qemu"),
        ("machine.accelerator", "tcg"),
        ("base_image", "base.img"),
        ("kernel", "kernel"),
        ("results", "/runs/f/results"),
    ] {
        assert_eq!(property(case, name), Some(value), "{name}");
    }
    assert_eq!(property(case, "image me/f:v1"), Some(format!("sha256:{}", "a".repeat(64)).as_str()));
    assert!((case.time - 1.25).abs() < 1e-9);
}

#[test]
fn earlier_attempts_are_flaky_after_a_pass_and_reruns_after_a_failure() {
    let passed = json!({"outcome": "passed", "step": null, "code": "all_witnesses_agree", "why": ""});
    let failed = json!({"outcome": "failed", "step": "invoke", "code": "wrong_reply", "why": "w"});
    let twice = json!({"attempts": 3, "cell": {"digest": "c0ffee", "inputs": {}}, "earlier": [attempt("failed", "invoke"), attempt("timed_out", "boot")]});
    let suite = read(vec![
        function("flaky", &passed, &twice),
        function("failed", &failed, &twice),
        function("once", &failed, &json!({})),
    ]);
    let flaky = &suite.cases[0];
    assert!(matches!(flaky.status, TestStatus::Success));
    assert_eq!(kinds(flaky), ["FlakyFailure", "FlakyError"]);
    let first = &flaky.reruns[0];
    assert_eq!((first.message.as_str(), first.rerun_type.as_str()), ("failed in invoke: no answer", "call_failed"));
    assert_eq!(first.text, "results: /runs/f.attempt-1/results");
    assert!((first.time - 0.7).abs() < 1e-9);
    assert_eq!(property(flaky, "cell"), Some("c0ffee"));
    let again = &suite.cases[1];
    assert!(matches!(again.status, TestStatus::Failure(_)));
    assert_eq!(kinds(again), ["RerunFailure", "RerunError"]);
    assert!(suite.cases[2].reruns.is_empty());
}

#[test]
fn what_a_guest_wrote_is_text_and_steers_nothing() {
    let failed = json!({"outcome": "failed", "step": "invoke", "code": "wrong_reply", "why": "got \"<&]]>\u{1b}[31m\u{0}\u{ffff}\""});
    let tails = json!({"console_tail": ["a\u{1b}[2Jb", "<failure/>"], "container_tail": ["last\u{7}"], "container_crash": ["panic\u{fffe}"]});
    let (suite, xml) = read_and_written(vec![function("evil", &failed, &tails)]);
    let case = &suite.cases[0];
    let TestStatus::Failure(failure) = &case.status else { panic!() };
    assert_eq!(failure.message, "failed in invoke: got \"<&]]>\"");
    // The reader leaves out what is escaped in a text.
    assert!(xml.contains("<system-out>ab\n&lt;failure/&gt;</system-out>"), "{xml}");
    assert_eq!(xml.matches("<failure").count(), 1, "{xml}");
    assert_eq!(case.system_err.as_deref(), Some("panic\nlast"));
}
