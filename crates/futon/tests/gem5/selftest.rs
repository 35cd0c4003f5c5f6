//! `futon gem5 selftest` against a stand-in that does what the parameters say, or is slow at one thing.

use std::process::Output;

use serde_json::Value;

use crate::common::text;
use crate::support::Simulated;

fn selftest(simulated: &Simulated, env: &[(&str, &str)], args: &[&str]) -> Output {
    let words = [&["gem5", "selftest", "--boot-machine", "gem5", "--out", "out"], args].concat();
    let mut command = simulated.project.command(&words);
    command.env("GEM5", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gem5/selftest.sh"));
    command.env("FAKE_CONFIG", concat!(env!("CARGO_MANIFEST_DIR"), "/../gem5-selftest/testdata/simple-o3.ini"));
    command.envs(env.iter().copied()).output().unwrap()
}

fn states(figures: &Value, state: &str) -> Vec<String> {
    let tests = figures["tests"].as_array().unwrap();
    tests.iter().filter(|test| test["state"] == state).map(|test| test["test"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_core_that_does_what_its_parameters_say_passes() {
    let simulated = Simulated::new();
    let output = selftest(&simulated, &[], &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(states(&figures, "ok").len(), 13, "{figures:#}");
    assert_eq!((&figures["schema"], &figures["core"]), (&"futon.selftest/1".into(), &"o3".into()));
    let written: Value = serde_json::from_str(&simulated.read("out/selftest.json")).unwrap();
    assert_eq!(written, figures);
    assert_eq!(simulated.read("out/selftest.csv").lines().count(), 14);
    assert!(simulated.project.path("out/report.json").exists(), "beside the run's report");
    // All work items of the measured core, in their order.
    let command = simulated.read("out/selftest/results/gem5/evaluate/gem5.command");
    let items = simulated.read("out/selftest/results/invocations.csv").lines().count() - 1;
    assert!(command.contains(&format!("--work-items {items} ")), "{items}: {command}");
}

#[test]
fn a_figure_that_is_off_is_named_and_fails() {
    let simulated = Simulated::new();
    let output = selftest(&simulated, &[("FAKE_SLOW", "chase:512:128:6144:walk")], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find(|line| line.contains("OFF")).unwrap();
    assert!(line.starts_with("loads from llc") && line.contains("18") && line.contains("21.6"), "{said}");
    assert_eq!(said.matches("OFF").count(), 1, "{said}");
}

#[test]
fn what_was_not_measured_is_no_pass() {
    let simulated = Simulated::new();
    let output = selftest(&simulated, &[("FAKE_SHORT", "multiply:60")], &["--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(states(&figures, "not_measured"), ["dependent multiplications"]);
}

#[test]
fn what_the_self_test_cannot_do_is_refused() {
    let simulated = Simulated::new();
    for (words, why) in [
        (&["--system", "mine"][..], "simple and skylake"),
        (&["--param", "l1d.size=big"], "no size"),
        (&["--cpu", "atomic"], "counts no cycles"),
        (&["--gem5-config", "mine.py"], "no meaning"),
    ] {
        let output = selftest(&simulated, &[], words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", text(&output));
        assert!(text(&output).contains(why), "{words:?}: {}", text(&output));
    }
}
