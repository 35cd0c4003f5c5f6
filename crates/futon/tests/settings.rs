//! `futon.toml`: what it changes, and how futon says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use common::{Project, text};
use serde_json::{Value, json};

const FILE: &str = "[client]\ninvocations = 3\n\n[test]\nretries = 1\n\n[profile.ci.client]\ninvocations = 5\n\n\
                    [function.aes-go.client]\ninvocations = 7\n\n[function.aes-go.limits]\npull = \"4m\"\n";

fn planned(report: &Value) -> Vec<u64> {
    report["functions"].as_array().unwrap().iter().map(|f| f["invocations"]["planned"].as_u64().unwrap()).collect()
}

#[test]
fn a_run_uses_profile_and_function_and_flags_win() {
    let project = Project::new();
    project.write("futon.toml", FILE);
    for (words, expected) in
        [(&[][..], [3, 7]), (&["--profile", "ci"], [5, 7]), (&["--profile", "ci", "-n", "2"], [2, 2])]
    {
        let (code, report) = project.fake("pass", words);
        assert_eq!((code, planned(&report)), (Some(0), expected.to_vec()), "{words:?}");
    }
    let plan = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(project.path(&format!("out/{name}/plan.json"))).unwrap()).unwrap()
    };
    assert_eq!(
        (&plan("aes-go")["limits"]["pull"], &plan("fibonacci-go")["limits"]["pull"]),
        (&json!("4m"), &json!("3m"))
    );
    // By the environment, too.
    let output = project
        .command(&["test", "--on", "fake", "--json", "--out", "out", "fibonacci-go"])
        .env("FUTON_PROFILE", "ci")
        .output()
        .unwrap();
    assert_eq!(planned(&serde_json::from_slice(&output.stdout).unwrap()), [5]);
    // A setting that is a flag of the test.
    let (_, report) = project.fake("fail:pull", &["fibonacci-go"]);
    assert_eq!(report["functions"][0]["attempts"], 2);
    let (_, report) = project.fake("fail:pull", &["fibonacci-go", "--retries", "0"]);
    assert_eq!(report["functions"][0]["attempts"], 1);
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let project = Project::new();
    for (file, words, why) in [
        ("[client]\ninvocation = 3\n", &[][..], "futon.toml:2: client.invocation: there is no such key"),
        ("[client]\ninvocation = 3\n", &[], "did you mean invocations?"),
        ("[function.aes-goo.client]\ninvocations = 3\n", &[], "has no service aes-goo"),
        ("[profile.ci]\n", &["--profile", "cii"], "did you mean ci?"),
        ("[limits]\nrun = \"0s\"\n", &[], "futon.toml:2: limits.run: a limit is at least 1ms"),
    ] {
        project.write("futon.toml", file);
        let output = project.futon(&[&["test", "--on", "fake"], words].concat());
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{file}: {}", text(&output));
    }
}

#[test]
fn every_setting_says_where_it_is_from() {
    let project = Project::new();
    project.write("futon.toml", FILE);
    let show = |words: &[&str]| {
        let mut command = project.command(&[&["config", "show", "--json"], words].concat());
        command.env("RESOURCES", "resources");
        let output = command.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
    };
    let of = |shown: &Value, name: &str| -> (Value, Value) {
        let all = shown["settings"].as_array().unwrap();
        let found = all.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name}: {shown:#}"));
        (found["value"].clone(), found["from"].clone())
    };
    let words = ["aes-go", "--profile", "ci", "--vcpus", "2", "--limit", "boot=3m", "--on", "fake"];
    let shown = show(&words);
    let file = |line: u32, scope: Value| {
        let mut origin = json!({"kind": "file", "file": "futon.toml", "line": line});
        origin.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        origin
    };
    for (name, value, from) in [
        ("profile", json!("ci"), json!({"kind": "flag", "flag": "--profile"})),
        ("resources", json!("resources"), json!({"kind": "environment", "variable": "RESOURCES"})),
        ("machine.vcpus", json!(2), json!({"kind": "flag", "flag": "--vcpus"})),
        ("machine.memory_mib", json!(2048), json!({"kind": "default"})),
        ("limits.boot", json!("3m"), json!({"kind": "flag", "flag": "--limit boot="})),
        ("limits.pull", json!("4m"), file(14, json!({"scope": "function", "name": "aes-go"}))),
        ("client.invocations", json!(7), file(11, json!({"scope": "function", "name": "aes-go"}))),
        ("test.retries", json!(1), file(5, json!({"scope": "project"}))),
    ] {
        assert_eq!(of(&shown, name), (value, from), "{name}");
    }
    let shown = show(&["--profile", "ci"]);
    assert_eq!(of(&shown, "client.invocations"), (json!(5), file(8, json!({"scope": "profile", "name": "ci"}))));
    project.write("own.toml", "[machine]\nbase = \"lean\"\n");
    let shown = show(&["--config", "own.toml"]);
    let own = json!({"kind": "file", "file": "own.toml", "line": 2, "scope": "project"});
    assert_eq!(of(&shown, "machine.base"), (json!("lean"), own), "a setting is no flag");
    let plain = text(&project.futon(&["config", "show", "--profile", "ci"]));
    assert!(plain.contains("futon.toml:8 (profile ci)"), "{plain}");
}

/// What a run would use, on gem5, too, where the defaults are others; and what a run would refuse.
#[test]
fn what_is_shown_is_in_effect() {
    let project = Project::new();
    project.write("futon.toml", "");
    let all = |words: &[&str]| {
        let output = project.futon(&[&["config", "show", "--json", "--on", "gem5"], words].concat());
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
        let settings = shown["settings"].as_array().unwrap().clone();
        move |name: &str| {
            let found = settings.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name}"));
            (found["value"].clone(), found["from"]["flag"].as_str().unwrap_or("default").to_owned())
        }
    };
    let of = all(&["--cpu", "o3", "--uarch-warmup", "3", "--software-warmup", "20"]);
    for (name, value, from) in [
        ("machine.base", json!("lean"), "default"),
        ("machine.memory_mib", json!(1024), "default"),
        ("client.invocations", json!(5), "default"),
        ("client.warmup", json!(20), "--software-warmup"),
        ("gem5.uarch_warmup", json!(3), "--uarch-warmup"),
    ] {
        assert_eq!(of(name), (value, from.to_owned()), "{name}");
    }
    assert_eq!(all(&["--base", "docker"])("machine.base"), (json!("docker"), "--base".to_owned()));
    for (words, why) in [
        (&["config", "show", "--cpu", "o3"][..], "--cpu has no effect on this machine"),
        (&["config", "show", "fibonaci-go"], "fibonaci-go"),
        (&["list", "fibonacci-go", "--cpu", "o3"], "--cpu has no effect on this machine"),
        (&["list", "fibonacci-go", "--state", "cold"], "--state has no effect on this machine"),
        (&["plan", "fibonacci-go", "--matrix", "--shards", "1", "--system", "x"], "--system has no effect"),
    ] {
        let output = project.futon(words);
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{words:?}: {}", text(&output));
    }
}

/// The schema knows what futon reads: what one refuses, the other does.
#[test]
fn the_printed_schema_accepts_what_is_read() {
    let project = Project::new();
    let output = project.futon(&["config", "schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (file, good) in [
        (json!({"client": {"invocations": 3}, "profile": {"ci": {"inherits": "x", "test": {"retries": 1}}}}), true),
        (json!({"function": {"f": {"limits": {"pull": "4m"}}}, "gem5": {"params": {"l2.size": "1MiB"}}}), true),
        (json!({"client": {"invocation": 3}}), false),
        (json!({"machine": {"accel": "fast"}}), false),
        (json!({"function": {"f": {"machine": {}}}}), false),
        (json!({"test": {"retries": 11}}), false),
    ] {
        assert_eq!(validator.is_valid(&file), good, "{file}");
    }
}
