//! `--events` and JUnit as other programs read them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use common::{Project, text};
use serde_json::Value;

/// The lines of a stream, each as the published schema has it.
fn events(lines: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/event-1.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        let problems: Vec<String> = validator.iter_errors(event).map(|e| e.to_string()).collect();
        assert_eq!(problems, [""; 0], "{event}");
    }
    // The stream's clock never goes back, whoever wrote.
    assert!(events.windows(2).all(|two| two[0]["ms"].as_u64() <= two[1]["ms"].as_u64()), "{lines}");
    events
}

/// Kind, function and detail of each event.
fn story(events: &[Value]) -> Vec<String> {
    let detail = |event: &Value| match event["event"].as_str().unwrap() {
        "step_ended" => event["step"].clone(),
        "attempt_ended" => event["result"]["code"].clone(),
        "function_ended" => event["verdict"]["code"].clone(),
        _ => Value::Null,
    };
    let words = |event: &Value| {
        [&event["event"], &event["function"], &event["attempt"], &detail(event)]
            .iter()
            .filter(|value| !value.is_null())
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" ")
    };
    events.iter().map(words).collect()
}

#[test]
fn a_run_is_told_from_beginning_to_end() {
    let project = Project::new();
    let (code, report) = project.fake("pass", &["fibonacci-go", "--events", "events.jsonl"]);
    assert_eq!(code, Some(0));
    let events = events(&fs::read_to_string(project.path("events.jsonl")).unwrap());
    let steps = ["boot", "fetch", "pull", "start", "ready", "invoke", "log", "stop"];
    let mut expected = vec!["run_started".to_owned(), "function_started fibonacci-go 1".to_owned()];
    expected.extend(steps.map(|step| format!("step_ended fibonacci-go 1 {step}")));
    expected.extend(["function_ended fibonacci-go 1 all_witnesses_agree".to_owned(), "run_ended".to_owned()]);
    assert_eq!(story(&events), expected);
    let (first, last) = (&events[0], events.last().unwrap());
    assert_eq!(first["functions"], serde_json::json!(["fibonacci-go"]));
    assert_eq!(first["machine"]["kind"], "fake");
    assert_eq!(last["summary"], report["summary"]);
    assert_eq!(last["report"], "out/report.json");
    assert!(project.path("out/report.json").is_file());
}

#[test]
fn each_function_has_one_end_and_each_attempt_its_own() {
    let project = Project::new();
    let words = ["fibonacci-go", "aes-go", "--retries", "1", "--jobs", "1", "--fail-fast", "--events", "e"];
    let (code, report) = project.fake("fail:pull", &words);
    assert_eq!(code, Some(1));
    let told = story(&events(&fs::read_to_string(project.path("e")).unwrap()));
    let ends: Vec<&String> = told.iter().filter(|line| line.contains("_ended") && !line.starts_with("step")).collect();
    assert_eq!(
        ends,
        [
            "attempt_ended fibonacci-go 1 step_failed",
            "function_ended fibonacci-go 2 step_failed",
            // Left out because of the other.
            "function_ended aes-go 0 step_failed",
            "run_ended"
        ]
    );
    // The same attempt is data in the report, and its folder is there.
    let earlier = &report["functions"][0]["earlier"];
    assert_eq!((earlier[0]["code"].as_str(), earlier[0]["step"].as_str()), (Some("step_failed"), Some("pull")));
    let folder = Path::new(earlier[0]["folder"].as_str().unwrap());
    assert!(folder.ends_with("out/fibonacci-go.attempt-1/results") && folder.join("events.jsonl").is_file());
    // Once more with the same folder: futon replaces its own.
    let (code, _) = project.fake("fail:pull", &words);
    assert_eq!(code, Some(1));
}

#[test]
fn standard_output_has_events_alone_or_the_report_alone() {
    let project = Project::new();
    let output = project.futon(&["test", "--on", "fake", "fibonacci-go", "--events", "-"]);
    assert!(output.status.success(), "{}", text(&output));
    let told = events(&String::from_utf8(output.stdout.clone()).unwrap());
    assert_eq!(told.last().unwrap()["event"], "run_ended");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 function: 1 passed"), "{}", text(&output));
    let output = project.futon(&["test", "--on", "fake", "fibonacci-go", "--events", "-", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("both want standard output"), "{}", text(&output));
    let output = project.futon(&["test", "--on", "fake", "fibonacci-go", "--events", "no/such/file"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn run_and_exec_tell_the_same() {
    let project = Project::new();
    assert!(project.futon(&["build", "fibonacci-go", "--on", "fake"]).status.success());
    project.write("hello.sh", "echo hello\n");
    for words in [&["run", "--on", "fake"][..], &["exec", "hello.sh", "--on", "fake"]] {
        let output = project.futon(&[words, &["--events", "e"]].concat());
        let told = story(&events(&fs::read_to_string(project.path("e")).unwrap()));
        assert!(told[0] == "run_started" && told[1].starts_with("function_started"), "{told:?} {}", text(&output));
        assert!(told[told.len() - 2].starts_with("function_ended") && told[told.len() - 1] == "run_ended", "{told:?}");
    }
}

/// A reader that has seen enough, and one that never reads, do not change the verdict.
#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let project = Project::new();
    let words = ["test", "--on", "fake", "fibonacci-go", "aes-go", "--jobs", "1", "--out", "out", "--events", "-"];
    let mut child = project.command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let report: Value = serde_json::from_slice(&fs::read(project.path("out/report.json")).unwrap()).unwrap();
    assert_eq!(report["summary"]["passed"], 2);
}
