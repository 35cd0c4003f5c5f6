//! `futon report`: runs that were really made, compared and followed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use std::fs;
use std::path::Path;

use common::{Project, text};
use serde_json::{Value, json};

/// A run of both functions in a folder, whose calls took so long; the fake machine measures nothing itself.
fn run(project: &Project, folder: &str, started: &str, scenario: &str, latencies: &[f64]) {
    let on = format!("fake:{scenario}");
    let output = project.futon(&["test", "--on", &on, "--out", folder, "fibonacci-go", "aes-go"]);
    assert!(output.status.code().unwrap() <= 1, "{}", text(&output));
    let edit = |path: &Path, change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        change(&mut value);
        fs::write(path, value.to_string()).unwrap();
    };
    edit(&project.path(&format!("{folder}/fibonacci-go/results/uploads/client.json")), &|client| {
        client["latencies_ms"] = json!(latencies);
    });
    let mut sorted = latencies.to_vec();
    sorted.sort_by(f64::total_cmp);
    edit(&project.path(&format!("{folder}/report.json")), &|report| {
        report["started"] = started.into();
        let (p50, max) = (sorted[sorted.len().div_ceil(2) - 1], sorted[sorted.len() - 1]);
        report["functions"][0]["invocations"]["latency_ms"] = json!({"p50": p50, "p90": max, "p99": max, "max": max});
        report["functions"][0]["machine"]["accelerator"] = "kvm".into();
    });
}

/// Twenty calls around `about` milliseconds.
fn calls(about: f64) -> Vec<f64> {
    (0..20).map(|n| (about * (0.95 + 0.005 * f64::from(n * 7 % 20)) * 1000.0).round() / 1000.0).collect()
}

fn diff(project: &Project, more: &[&str]) -> (Option<i32>, Value, String) {
    let plain = project.futon(&[&["report", "diff", "a", "b"], more].concat());
    let json = project.futon(&[&["report", "diff", "a", "b", "--json"], more].concat());
    assert_eq!(plain.status.code(), json.status.code());
    let value = serde_json::from_slice(&json.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&json)));
    (plain.status.code(), value, String::from_utf8(plain.stdout).unwrap())
}

#[test]
fn what_is_the_same_and_what_is_not() {
    let project = Project::new();
    run(&project, "a", "2026-11-01T00:00:00Z", "pass", &calls(4.0));
    run(&project, "b", "2026-11-02T00:00:00Z", "pass", &calls(4.01));
    let (code, same, words) = diff(&project, &["--fail-on-change"]);
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(
        (same["verdicts"].as_array().unwrap().len(), same["inputs"].as_array().unwrap().len()),
        (0, 0),
        "{words}"
    );
    assert_eq!((&same["figures"][0]["counts"], &same["figures"][0]["beyond_noise"]), (&json!([20, 20]), &json!(false)));
    assert!(words.contains("the same for all 2 functions"), "{words}");

    // A fifth slower, and with another image.
    run(&project, "b", "2026-11-02T00:00:00Z", "pass", &calls(4.8));
    let (code, slower, words) = diff(&project, &["--fail-on-change"]);
    assert_eq!(code, Some(1), "{words}");
    let figure = &slower["figures"][0];
    assert!(figure["beyond_noise"] == true && figure["p"].as_f64().unwrap() < 0.001, "{figure}");
    assert!(words.contains("fibonacci-go latency: median") && words.contains("(+20."), "{words}");
    assert_eq!(diff(&project, &[]).0, Some(0), "a difference is no failure of the command");

    // The base of the second run had another engine.
    let list = |folder: &str, engine: &str| {
        project.write(&format!("{folder}/packages.txt"), &format!("docker.io\t{engine}\nlibc6\t2.36\n"));
    };
    list("a", "26.1.4");
    list("b", "26.1.5");
    let (_, other, words) = diff(&project, &[]);
    assert_eq!(other["packages"], json!([{"name": "docker.io", "a": "26.1.4", "b": "26.1.5"}]));
    assert!(words.contains("changed: 1\n  docker.io: 26.1.4 → 26.1.5\n"), "{words}");

    // Samples are read from the folder; when it is gone the comparison says so.
    fs::remove_dir_all(project.path("b/fibonacci-go")).unwrap();
    let (_, gone, words) = diff(&project, &[]);
    assert!(gone["figures"].as_array().unwrap().is_empty() && words.contains("folder is gone"), "{words}");
}

#[test]
fn samples_of_another_run_are_not_taken_for_this_ones() {
    let project = Project::new();
    run(&project, "a", "2026-11-01T00:00:00Z", "pass", &calls(4.0));
    run(&project, "b", "2026-11-02T00:00:00Z", "pass", &calls(4.0));
    let kept = fs::read(project.path("b/report.json")).unwrap();
    run(&project, "b", "2026-11-03T00:00:00Z", "pass", &calls(9.0));
    fs::write(project.path("b/report.json"), kept).unwrap();
    let (_, found, words) = diff(&project, &[]);
    assert!(found["figures"].as_array().unwrap().is_empty() && words.contains("those of another run"), "{words}");
}

#[test]
fn a_new_failure_comes_first_and_a_changed_image_is_named() {
    let project = Project::new();
    run(&project, "a", "2026-11-01T00:00:00Z", "pass", &calls(4.0));
    // The function fails with a new image.
    common::oci_layout(&project.path("layout2"), "another");
    let output = project.futon(&["images", "add", "layout2", "--name", "vhiveease/fibonacci-go:latest"]);
    assert!(output.status.success(), "{}", text(&output));
    run(&project, "b", "2026-11-02T00:00:00Z", "wrong-reply", &calls(4.0));
    let (code, found, words) = diff(&project, &["--fail-on-change"]);
    assert_eq!(code, Some(1));
    let first = &found["verdicts"][0];
    assert_eq!((&first["kind"], &first["b"]["code"]), (&json!("new_failure"), &json!("wrong_reply")), "{words}");
    let inputs = found["inputs"].as_array().unwrap();
    assert!(inputs.iter().any(|input| input["name"] == "image vhiveease/fibonacci-go:latest"), "{inputs:?}");
    assert!(words.contains("fibonacci-go passed → failed in invoke"), "{words}");
    let narrow = project.command(&["report", "diff", "a", "b"]).env("COLUMNS", "40").output().unwrap();
    let narrow = String::from_utf8(narrow.stdout).unwrap();
    assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
}

#[test]
fn what_is_no_report_is_named() {
    let project = Project::new();
    project.write("report.json", "{}");
    project.write("later.json", r#"{"schema": "futon.report/2", "functions": "otherwise"}"#);
    project.write("other.json", r#"{"schema": "futon.suite/1"}"#);
    fs::create_dir_all(project.path("runs/one")).unwrap();
    run(&project, "runs/two", "2026-11-01T00:00:00Z", "pass", &calls(4.0));
    for (words, why) in [
        (["report", "diff", "nowhere", "report.json"], "there is no nowhere"),
        (["report", "diff", "runs/two", "report.json"], "not a report of futon's"),
        (["report", "diff", "runs/two", "later.json"], "its schema is \"futon.report/2\", and this futon reads"),
        (["report", "diff", "runs/two", "other.json"], "not a report of futon's"),
        (["report", "diff", "runs/one", "runs/two"], "no report in runs/one"),
        (["report", "diff", "runs", "runs/two"], "runs/two has one"),
    ] {
        let output = project.futon(&words);
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{words:?}: {}", text(&output));
    }
}

#[test]
fn a_trend_says_since_when_a_function_fails() {
    let project = Project::new();
    run(&project, "runs/1", "2026-11-01T00:00:00Z", "pass", &calls(4.0));
    run(&project, "runs/2", "2026-11-02T00:00:00Z", "pass", &calls(5.0));
    run(&project, "runs/3", "2026-11-03T00:00:00Z", "wrong-reply", &calls(4.0));
    std::os::unix::fs::symlink("3", project.path("runs/latest")).unwrap();
    std::os::unix::fs::symlink("elsewhere.html", project.path("page.html")).unwrap();
    project.write("elsewhere.html", "an older page");
    let output = project.futon(&["report", "trend", "runs", "runs/latest", "--out", "page.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let words = text(&output);
    assert!(words.contains("3 runs") && words.contains("✓✓✗"), "{words}");
    assert!(words.contains("fails since runs/3") && words.contains("last passed in runs/2"), "{words}");
    assert!(words.contains("passed 2 of 3 (67%; 95% interval 21% to 94%)"), "{words}");
    assert!(fs::symlink_metadata(project.path("page.html")).unwrap().is_symlink());
    let page = fs::read_to_string(project.path("elsewhere.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script"), "{page}");
    let output = project.futon(&["report", "trend", "runs", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["functions"][0]["marks"], json!(["passed", "passed", "failed"]));
    assert_eq!((&found["functions"][0]["broken"]["last_good"], &found["schema"]), (&json!(1), &json!("futon.trend/1")));
    assert_eq!(project.futon(&["report", "trend", "empty"]).status.code(), Some(2));
}
