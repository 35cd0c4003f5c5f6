//! What flags do to a run, and what its log may hold.

use serde_json::{Value, json};

use crate::{
    client::{FIBONACCI, client, command, fibonacci},
    server::{Deed, Server},
};

#[test]
fn unverified_runs_never_say_success() {
    let server = Server::start(|_, _, _| Deed::Reply("anything".to_owned()));
    let run = client(server.port, "-function-name aes-go -no-verify -n 2");
    assert_eq!(run.code, 0, "{}", run.log);
    assert!(!run.log.contains("SUCCESS"), "{}", run.log);
    assert_eq!((&run.report["verified"], &run.report["failed"]), (&json!(0), &json!(0)));
    assert_eq!(run.report["greeting"], "unverified");
}

#[test]
fn a_seed_makes_random_values_again() {
    let server = Server::start(|_, _, text| Deed::Reply(text.to_owned()));
    let values = |seed: &str| {
        let flags = format!("-function-name aes -genType random -no-verify -v {seed}");
        let run = client(server.port, &flags);
        let lines = run.log.lines().filter_map(|line| line.split_once("Invocation "));
        (lines.map(|(_, value)| value.to_owned()).collect::<Vec<_>>(), run)
    };
    let (first, _) = values("-seed 7");
    assert_eq!(first.len(), 10);
    assert_eq!(first, values("-seed 7").0);
    assert_ne!(first, values("-seed 8").0);
    // A seed that was taken is logged, reported, and good for another run.
    let (taken, run) = values("");
    let seed = run.report["seed"].as_u64().unwrap();
    assert!(run.log.contains(&format!("Random values from -seed {seed}")), "{}", run.log);
    assert_eq!(taken, values(&format!("-seed {seed}")).0);
}

#[test]
fn a_huge_reply_is_shortened() {
    let server = Server::start(|_, _, _| Deed::Reply("x".repeat(1_000_000)));
    let run = client(server.port, "-function-name aes-go -n 1");
    assert_eq!(run.code, 1);
    assert!(run.log.len() < 10_000, "{}", run.log.len());
    assert!(run.log.contains("(1000000 bytes, sha256 "), "{}", run.log);
}

#[test]
fn many_failures_do_not_flood_the_log() {
    let server = Server::start(|_, _, _| Deed::Reply(String::new()));
    let run = client(server.port, "-function-name aes-go -n 500");
    assert_eq!((run.code, &run.report["failed"]), (1, &json!(500)));
    assert!(run.log.lines().count() < 40, "{}", run.log);
}

#[test]
fn m5_operations_outside_gem5_are_warned_about() {
    let server = Server::start(fibonacci);
    let run = client(server.port, &format!("{FIBONACCI} -m5ops -w 1"));
    assert_eq!(run.code, 0, "{}", run.log);
    for line in ["M5 magic instructions require root access", "Will not be enabled!!!"] {
        assert!(run.log.contains(&format!("level=warning msg=\"{line}\"")), "{}", run.log);
    }
    assert_eq!(run.log.matches("level=warning msg=\"M5 disabled\"").count(), 3);
}

#[test]
fn the_log_goes_to_a_file() {
    let server = Server::start(fibonacci);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.log");
    for runs in 1..=2 {
        let run = client(server.port, &format!("{FIBONACCI} -logging {}", path.display()));
        assert_eq!((run.code, run.log.as_str()), (0, ""));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("SUCCESS: Calling functions for 6 times").count(), runs);
    }
}

#[test]
fn usage_errors() {
    for (flags, text) in [
        ("-function-name fibonaci-go", "did you mean fibonacci-go?"),
        ("-nope", "Usage:"),
        ("-n many", "not a whole number"),
        ("-url example.org", "hint:"),
        ("-timeout 0s", "timeout"),
    ] {
        let run = client(1, flags);
        assert_eq!(run.code, 2, "{flags}: {}", run.log);
        assert!(run.log.contains(text), "{flags}: {}", run.log);
        assert_eq!(run.report, Value::Null);
    }
    let output = command("-help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("Exit status:"));
}
