//! A load in a real machine: every reply verified, thresholds that decide, a wrong expectation that is named.

use std::fs;

use serde_json::Value;

use crate::real::{Bench, Run};

/// `futon load fibonacci-go --json …` in a lean guest, emulated wherever it runs.
fn load(bench: &Bench, more: &[&str]) -> Run {
    let out = bench.path("out");
    let mut words =
        vec!["load", "fibonacci-go", "--json", "--out", out.to_str().unwrap(), "--base", "lean", "--accel", "tcg"];
    words.extend(["--concurrency", "8", "--duration", "2s", "--warmup", "500ms"]);
    words.extend(more);
    Run::of(&bench.command(&words).output().unwrap())
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_load_is_verified_on_the_host_and_its_thresholds_decide() {
    let bench = Bench::new();
    let run = load(&bench, &[]);
    let function = &run.report["functions"][0];
    assert_eq!((run.code, function["proof"].as_str()), (Some(0), Some("full")), "{}", run.all());
    let made = &function["load"];
    let number = |key: &str| made[key].as_u64().unwrap();
    assert!(number("verified") > 10 && number("warmup_verified") > 0, "{made}");
    assert_eq!((number("failed"), &made["is_performance"]), (0, &Value::Bool(false)), "{made}");
    assert_eq!(function["invocations"]["verified"], made["verified"], "{made}");
    let page = fs::read_to_string(bench.path("out/report.html")).unwrap();
    assert!(page.contains("replies in 2.") && page.contains("<polyline"), "no charts in the report");

    let run = load(&bench, &["--max", "p50=1us"]);
    assert!(run.code == Some(2) && run.all().contains("--emulated"), "{}", run.all());
    // A rate, and a threshold that cannot hold.
    let run = load(&bench, &["--rate", "5..15", "--max", "p50=1us", "--max", "max=1h", "--emulated"]);
    assert_eq!(run.code, Some(2), "an hour is no time of a threshold: {}", run.all());
    let run = load(&bench, &["--rate", "5..15", "--max", "p50=1us", "--max", "max=100s", "--emulated"]);
    let (function, verdict) = (&run.report["functions"][0], run.verdict(0));
    assert_eq!((run.code, verdict["code"].as_str()), (Some(1), Some("threshold_exceeded")), "{}", run.all());
    let why = verdict["why"].as_str().unwrap();
    assert!(why.contains("p50 is ") && !why.contains("max is "), "{why}");
    assert!(function["load"]["verified"].as_u64().unwrap().abs_diff(20) <= 1, "{function}");
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_wrong_reply_fails_a_load() {
    let bench = Bench::new();
    let proto = crate::real::root().join("functions/proto/fibonacci.proto");
    let calls = format!(
        "schema: {{proto: [{}]}}\ncalls:\n  - {{call: fibonacci.Greeter/SayHello, times: 2, data: {{name: \"{{{{n}}}}\"}}, \
         expect: {{matches: {{.message: \"y: 0 \"}}}}}}\n",
        proto.display()
    );
    let path = bench.path("fib.calls.yaml");
    fs::write(&path, calls).unwrap();
    let run = load(&bench, &["--calls", path.to_str().unwrap()]);
    let (made, verdict) = (&run.report["functions"][0]["load"], run.verdict(0));
    assert_eq!((run.code, verdict["code"].as_str()), (Some(1), Some("wrong_reply")), "{}", run.all());
    assert!(verdict["why"].as_str().unwrap().contains("y: 1"), "{verdict}");
    let count = |key: &str| made[key].as_u64().unwrap();
    assert!(count("verified").abs_diff(count("failed")) <= 1 && count("failed") > 5, "{made}");
}
