//! The lean guest in QEMU: the same plan, steps and verdicts as on the docker base, in seconds.

use crate::faults::{UNREADY, reasons};
use crate::passes::NINE;
use crate::real::Bench;

/// From nothing to the verdict, on a machine that has nothing else to do; `FUTON_TEST_TIMES=1` insists on it.
const COLD_LIMIT_MS: u64 = 8000;

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_all_nine_functions_pass() {
    let bench = Bench::new();
    let insist = std::env::var_os("FUTON_TEST_TIMES").is_some_and(|v| v == "1");
    let run = bench.test(&[&NINE[..], &["--base", "lean"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.all());
    for (i, name) in NINE.iter().enumerate() {
        let function = &run.report["functions"][i];
        assert_eq!(function["verdict"]["outcome"], "passed", "{name}: {}", run.all());
        assert_eq!((&function["proof"], &function["invocations"]["verified"]), (&"full".into(), &20.into()));
        let steps: Vec<_> = function["steps"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert_eq!(steps, ["boot", "fetch", "pull", "start", "ready", "invoke", "log", "stop", "upload", "shutdown"]);
        let took = function["duration_ms"].as_u64().unwrap();
        eprintln!("{name}: {took} ms");
        assert!(!insist || took <= COLD_LIMIT_MS, "{name} took {took} ms");
    }
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_the_reason_not_to_serve_is_told() {
    reasons(&Bench::new(), &UNREADY, &["--base", "lean"]);
}

macro_rules! lean_fault {
    ($test:ident, $name:literal, $more:expr, $outcome:literal, $step:expr, $exit:literal, $code:literal, $why:literal) => {
        #[test]
        #[ignore = "needs virtual machines: make test runs it"]
        fn $test() {
            let bench = Bench::new();
            let fixed = [$name, "--base", "lean", "--functions", "functions/faults.yaml", "-n", "8"];
            let run = bench.expect(&[&fixed[..], &$more].concat(), $outcome, $step, $exit);
            let verdict = run.verdict(0);
            assert_eq!(verdict["code"], $code, "{}", run.all());
            assert!(verdict["why"].as_str().unwrap().contains($why), "{}", run.all());
        }
    };
}

lean_fault!(
    lean_missing_image,
    "fault-missing-image",
    [],
    "failed",
    Some("pull"),
    1,
    "image_not_found",
    "does-not-exist"
);
lean_fault!(
    lean_exits_at_once,
    "fault-exit-at-once",
    [],
    "failed",
    Some("ready"),
    1,
    "container_exited",
    "exited with status"
);
lean_fault!(
    lean_never_listens,
    "fault-never-listen",
    ["--limit", "ready=10s"],
    "failed",
    Some("ready"),
    1,
    "not_listening",
    "nothing in it listens"
);
lean_fault!(lean_wrong_reply, "fault-wrong-reply", [], "failed", Some("invoke"), 1, "wrong_reply", "call 1");
lean_fault!(lean_crashes_after_three, "fault-crash-after", [], "failed", Some("invoke"), 1, "call_failed", "call 4");
lean_fault!(lean_ignores_sigterm, "fault-ignore-term", [], "passed", None, 0, "all_witnesses_agree", "");
lean_fault!(
    lean_out_of_memory,
    "fault-memory-hog",
    ["--memory", "512", "--limit", "call=150s"],
    "crashed",
    Some("invoke"),
    1,
    "out_of_memory",
    "Killed process"
);

/// A container of the lean guest has no way to the exchange, and so nothing to forge with.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_containers_do_not_reach_the_exchange() {
    let bench = Bench::new();
    let args = ["fault-forge", "--base", "lean", "--functions", "functions/faults.yaml", "-n", "8"];
    let run = bench.expect(&args, "failed", Some("invoke"), 1);
    let results = bench.path("out/fault-forge/results");
    let events = std::fs::read_to_string(results.join("events.jsonl")).unwrap();
    assert!(events.contains("\"authentic\":true") && !events.contains("\"authentic\":false"), "{events}");
    let log = std::fs::read_to_string(results.join("uploads/container.log")).unwrap();
    assert!(log.contains("fault forge") && !log.contains("token found"), "{log}");
    assert!(!run.report["functions"][0]["remarks"].to_string().contains("forgery"), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_refuses_a_kernel_that_cannot_work() {
    let bench = Bench::new();
    std::fs::write(bench.path("vmlinux"), "not a kernel").unwrap();
    let kernel = bench.path("vmlinux");
    let run = bench.test(&["fibonacci-go", "--base", "lean", "--kernel", kernel.to_str().unwrap()]);
    assert_eq!(run.code, Some(2), "{}", run.all());
    assert!(run.stderr.contains("not an ELF file"), "{}", run.all());
}

/// Without a serial port nobody can say what went wrong; that much can be said.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_a_guest_without_a_console_is_told_as_such() {
    let bench = Bench::new();
    let args = ["fibonacci-go", "--base", "lean", "--cold", "--append", "8250.nr_uarts=0"];
    let run = bench.expect(&args, "crashed", Some("boot"), 3);
    let hint = run.verdict(0)["hint"].as_str().unwrap();
    assert!(hint.contains("the console is empty"), "{hint}");
}
