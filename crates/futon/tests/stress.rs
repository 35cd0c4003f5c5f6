//! `--stress`: many runs of each function, and how often it fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use common::{Project, text};
use serde_json::{Value, json};

#[test]
fn each_run_is_kept_and_counted() {
    let project = Project::new();
    let words = ["fibonacci-go", "aes-go", "--stress", "3", "--jobs", "2", "--events", "e", "--junit", "j.xml"];
    let (code, report) = project.fake("pass", &words);
    assert_eq!(code, Some(0), "{report:#}");
    let functions = report["functions"].as_array().unwrap();
    let runs: Vec<(&str, u64)> =
        functions.iter().map(|f| (f["name"].as_str().unwrap(), f["run"].as_u64().unwrap())).collect();
    let all = ["fibonacci-go", "aes-go"].map(|name| [1, 2, 3].map(|run| (name, run))).concat();
    assert_eq!(runs, all);
    for (name, run) in all {
        assert!(project.path(&format!("out/{name}.run-{run}/results/events.jsonl")).is_file(), "{name} {run}");
    }
    assert_eq!(report["summary"]["total"], 6);
    let stress = &report["stress"][0];
    assert_eq!((&stress["judged"], &stress["failed"], &stress["failure_rate"]), (&json!(3), &json!(0), &json!(0.0)));
    // None of three: up to 56%.
    assert!((stress["interval"][1].as_f64().unwrap() - 0.5615).abs() < 0.001, "{stress}");
    let events = std::fs::read_to_string(project.path("e")).unwrap();
    let ended: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["event"] == "function_ended")
        .collect();
    assert_eq!(ended.len(), 6);
    assert!(ended.iter().all(|event| event["run"].as_u64().is_some()), "{events}");
    assert!(std::fs::read_to_string(project.path("j.xml")).unwrap().contains("name=\"aes-go run 3\""));
}

#[test]
fn one_that_fails_is_enough_and_reasons_are_counted() {
    let project = Project::new();
    let (code, report) = project.fake("wrong-reply", &["fibonacci-go", "--stress", "2"]);
    assert_eq!(code, Some(1));
    let stress = &report["stress"][0];
    assert_eq!((&stress["failed"], &stress["codes"]), (&json!(2), &json!({"wrong_reply": 2})));
    let (code, report) = project.fake("no-boot", &["fibonacci-go", "--stress", "2", "--limit", "boot=300ms"]);
    assert_eq!(code, Some(3));
    let stress = &report["stress"][0];
    assert_eq!(
        (&stress["judged"], &stress["no_verdict"], &stress["failure_rate"]),
        (&json!(0), &json!(2), &Value::Null)
    );
    let output = project.futon(&["test", "--on", "fake:wrong-reply", "fibonacci-go", "--stress", "2", "--out", "out"]);
    let words = text(&output);
    assert!(
        words.contains("fibonacci-go: 2 of 2 runs failed (100%; 95% interval 34% to 100%): wrong_reply 2"),
        "{words}"
    );
    for verb in ["setup", "measure"] {
        let output = project.futon(&[verb, "fibonacci-go", "--stress", "2"]);
        assert!(output.status.code() == Some(2) && text(&output).contains("--stress"), "{verb}: {}", text(&output));
    }
    for more in [&["--retries", "1"][..], &["--accept"]] {
        let output = project.futon(&[&["test", "--on", "fake", "fibonacci-go", "--stress", "2"], more].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
    }
}
