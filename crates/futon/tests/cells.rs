//! Cells: what shapes a result has one digest wherever it runs, and whatever shapes it changes the digest.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use common::{Project, text};
use serde_json::Value;

fn cells(project: &Project, more: &[&str]) -> Vec<Value> {
    let output = project.futon(&[&["plan", "--on", "fake", "--json"][..], more].concat());
    let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    list["cells"].as_array().unwrap().clone()
}

fn digest(project: &Project, more: &[&str]) -> String {
    cells(project, &[&["fibonacci-go"][..], more].concat())[0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_cell_is_the_same_in_another_folder_and_in_the_report() {
    let (one, other) = (Project::new(), Project::new());
    assert_eq!(cells(&one, &[]), cells(&other, &[]));
    assert_eq!(cells(&one, &[]).len(), 2);
    let (_, report) = one.fake("pass", &[]);
    for (cell, function) in cells(&one, &[]).iter().zip(report["functions"].as_array().unwrap()) {
        assert_eq!(*cell, function["cell"], "{function:#}");
    }
    // No input has anything of the place in it.
    let place = one.path("").display().to_string();
    assert!(!cells(&one, &[]).iter().any(|cell| cell.to_string().contains(place.trim_end_matches('/'))));
}

/// What no lean guest can run has no cell, and no job of a matrix.
#[test]
fn what_the_lean_guest_refuses_is_refused_before_it_runs() {
    let project = Project::new();
    project.write(
        "k.yaml",
        "services:\n  d:\n    image: vhiveease/fibonacci-go:latest\n    privileged: true\n    x-futon: {client: fibonacci-go}\n",
    );
    for words in [&["plan"][..], &["plan", "--matrix", "--shards", "1"], &["list"]] {
        let words = [words, &["d", "--functions", "k.yaml", "--on", "fake", "--base", "lean"]].concat();
        let output = project.futon(&words);
        let said = text(&output);
        assert!(output.status.code() == Some(2) && said.contains("key `privileged`"), "{words:?}: {said}");
    }
}

#[test]
fn whatever_shapes_a_result_changes_its_cell() {
    let project = Project::new();
    let first = digest(&project, &[]);
    assert_eq!(first, digest(&project, &["--jobs", "2", "--retries", "1", "--out", "elsewhere"]));
    project.write("more.txt", "one");
    let mut seen = vec![first.clone()];
    for more in [
        &["-n", "21"][..],
        &["-w", "1"],
        &["--input", "2"],
        &["--limit", "pull=5m"],
        &["--vcpus", "2"],
        &["--network", "host"],
        &["--file", "more.txt"],
        &["--seed", "7"],
    ] {
        let digest = digest(&project, more);
        assert!(!seen.contains(&digest), "{more:?}");
        seen.push(digest);
    }
    let with_file = digest(&project, &["--file", "more.txt"]);
    project.write("more.txt", "three");
    assert_ne!(with_file, digest(&project, &["--file", "more.txt"]));
    project.write("resources/futon-guest", "another guest tool");
    assert_ne!(first, digest(&project, &[]));
    project.write("resources/futon-guest", "guest tool");
    assert_eq!(first, digest(&project, &[]));
    let compose = std::fs::read_to_string(project.path("functions.yaml")).unwrap();
    project.write("functions.yaml", &compose.replace("50051\"]\n  aes", "50051\"]\n    environment: [A=1]\n  aes"));
    assert_ne!(first, digest(&project, &[]));
}

#[test]
fn a_plan_is_for_people_too() {
    let project = Project::new();
    let output = project.futon(&["plan", "--on", "fake", "fibonacci-go"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("  fibonacci-go\n") && shown.contains("\n  client invocations: 20\n"), "{shown}");
    assert!(shown.contains("\n  image vhiveease/fibonacci-go:latest: sha256:"), "{shown}");
    assert!(shown.lines().all(|line| line.len() < 100), "{shown}");
}
