//! Faults of the function and of the guest: each ends within its limit with the right verdict.

use crate::real::Bench;

/// Arguments for a fault service, with few calls: the fault comes early.
fn fault<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[name, "--functions", "functions/faults.yaml", "-n", "8"][..], more].concat()
}

macro_rules! fault_test {
    ($test:ident, $name:literal, $more:expr, $outcome:literal, $step:expr, $exit:literal, $code:literal, $why:literal) => {
        #[test]
        #[ignore = "needs virtual machines: make test runs it"]
        fn $test() {
            let bench = Bench::new();
            let run = bench.expect(&fault($name, &$more), $outcome, $step, $exit);
            let verdict = run.verdict(0);
            assert_eq!(verdict["code"], $code, "{}", run.all());
            assert!(verdict["why"].as_str().unwrap().contains($why), "{}", run.all());
        }
    };
}

fault_test!(missing_image, "fault-missing-image", [], "failed", Some("pull"), 1, "image_not_found", "does-not-exist");
fault_test!(exits_at_once, "fault-exit-at-once", [], "failed", Some("ready"), 1, "container_exited", "exited");
fault_test!(
    never_listens,
    "fault-never-listen",
    ["--limit", "ready=20s"],
    "failed",
    Some("ready"),
    1,
    "not_listening",
    "nothing in it listens on TCP port 50051"
);
fault_test!(listens_late, "fault-slow-start", [], "passed", None, 0, "all_witnesses_agree", "");
fault_test!(wrong_reply, "fault-wrong-reply", [], "failed", Some("invoke"), 1, "wrong_reply", "call 1");
fault_test!(
    wrong_after_three,
    "fault-wrong-after",
    [],
    "failed",
    Some("invoke"),
    1,
    "wrong_reply",
    "call 4 (invocation 3 of 8)"
);
fault_test!(crashes_after_three, "fault-crash-after", [], "failed", Some("invoke"), 1, "call_failed", "call 4");
fault_test!(hangs_on_the_fifth, "fault-hang-on", [], "timed_out", Some("invoke"), 1, "call_timed_out", "call 5");
fault_test!(prints_success, "fault-success-liar", [], "failed", Some("invoke"), 1, "wrong_reply", "expected");
fault_test!(out_of_memory, "fault-memory-hog", [], "crashed", Some("invoke"), 1, "out_of_memory", "Killed process");

/// Faults of functions that do not serve, the verdict's code for each, and words of the reason.
pub const UNREADY: [(&str, &str, &str); 7] = [
    ("fault-loopback", "listens_on_loopback", "listens only on 127.0.0.1:50051"),
    ("fault-other-port", "listens_on_other_port", "[::]:8080, not on port 50051"),
    ("fault-http1", "speaks_http1", "HTTP/1.1 200"),
    ("fault-tls", "wants_tls", "expects TLS"),
    ("fault-silent", "answers_nothing", "does not answer"),
    ("fault-closes", "closes_connections", "closes each"),
    ("fault-restarts", "container_restarts", "was restarted"),
];

/// Calls that fail, the verdict's code for each, and words of the reason.
const CALLS: [(&str, &str, &str); 4] = [
    ("fault-long-header", "call_failed", "16 KiB"),
    ("fault-long-reply", "reply_too_large", "too large"),
    ("fault-long-error", "call_failed", r"first line\nsecond line \u{1b}[2Jxxx"),
    ("fault-panic", "call_failed", "connection"),
];

/// Runs faults one after the other and compares codes and reasons.
pub fn reasons(bench: &Bench, faults: &[(&str, &str, &str)], more: &[&str]) -> crate::real::Run {
    let names = faults.iter().map(|(name, ..)| *name);
    let fixed = ["--functions", "functions/faults.yaml", "-n", "2", "--limit", "ready=20s"];
    let run = bench.test(&names.chain(fixed).chain(more.iter().copied()).collect::<Vec<_>>());
    for (i, (name, code, why)) in faults.iter().enumerate() {
        let verdict = run.verdict(i);
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["code"].as_str()),
            (Some("failed"), Some(*code)),
            "{name}: {}",
            run.all()
        );
        assert!(verdict["why"].as_str().unwrap().contains(why), "{name}: {verdict}");
        assert!(verdict["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{name}: {verdict}");
    }
    bench.nothing_left();
    run
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_reason_not_to_serve_is_told() {
    reasons(&Bench::new(), &UNREADY, &[]);
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_reason_of_a_failed_call_is_told() {
    let run = reasons(&Bench::new(), &CALLS, &[]);
    // The crash stands 50 lines before the log's end.
    let crash = run.report["functions"][3]["container_crash"].to_string();
    assert!(crash.contains("panic: not a real one"), "{crash}");
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn another_functions_client_is_told_from_a_broken_function() {
    let bench = Bench::new();
    let run = bench.expect(&["fibonacci-go", "--client", "aes-go", "-n", "2"], "failed", Some("invoke"), 1);
    assert_eq!(run.verdict(0)["code"], "unimplemented", "{}", run.all());
    assert!(run.verdict(0)["hint"].as_str().unwrap().contains("--client"), "{}", run.all());
}

fault_test!(ignores_sigterm, "fault-ignore-term", [], "passed", None, 0, "all_witnesses_agree", "");

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn forged_events_prove_nothing_and_are_reported() {
    let bench = Bench::new();
    let run = bench.expect(&fault("fault-forge", &[]), "failed", Some("invoke"), 1);
    let remarks = run.report["functions"][0]["remarks"].to_string();
    assert!(remarks.contains("forgery"), "{}", run.all());
    assert!(remarks.contains("run.sh was fetched"), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_step_of_the_script_fails() {
    let bench = Bench::new();
    let template = bench.template("step invoke ", "    step start 10s -- sh -c 'echo no luck; exit 1'");
    let run = bench.expect(&["fibonacci-go", "--template", &template], "failed", Some("start"), 1);
    assert!(run.verdict(0)["why"].as_str().unwrap().contains("no luck"), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_guest_powers_off_half_way() {
    let bench = Bench::new();
    let template = bench.template("step invoke ", "    echo o >/proc/sysrq-trigger; sleep 60");
    bench.expect(&["fibonacci-go", "--template", &template], "crashed", Some("invoke"), 1);
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_guest_panics() {
    let bench = Bench::new();
    let template =
        bench.template("step pull ", "    echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 60");
    let run = bench.expect(&["fibonacci-go", "--template", &template], "crashed", Some("pull"), 1);
    assert_eq!(run.verdict(0)["code"], "guest_panic", "{}", run.all());
    assert!(run.verdict(0)["why"].as_str().unwrap().contains("Kernel panic - not syncing: sysrq"), "{}", run.all());
    assert!(!run.report["functions"][0]["console_tail"].as_array().unwrap().is_empty(), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn no_space_in_the_guest_while_pulling() {
    let bench = Bench::new();
    let fill = "    fallocate -l $(($(df --output=avail -k / | tail -n 1) - 4096))k /fill";
    let template = bench.template("step pull ", fill);
    let run = bench.expect(&["fibonacci-go", "--template", &template], "failed", Some("pull"), 1);
    assert_eq!(run.verdict(0)["code"], "guest_disk_full", "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_guest_never_boots() {
    let bench = Bench::new();
    let args = ["fibonacci-go", "--cold", "--root", "/dev/vdz", "--limit", "boot=25s"];
    let run = bench.expect(&args, "timed_out", Some("boot"), 3);
    assert!(run.report["functions"][0]["console_tail"].to_string().contains("vda"), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn the_first_passes_and_the_second_fails() {
    let bench = Bench::new();
    let compose = std::fs::read_to_string(crate::real::root().join("functions/faults.yaml")).unwrap();
    let good = "services:\n  fibonacci-go:\n    image: vhiveease/fibonacci-go:latest\n    container_name: function\n    \
                entrypoint: [\"/app/server\", \"-addr=0.0.0.0:50051\"]\n    ports: [\"50000:50051\"]\n\n";
    std::fs::write(bench.path("both.yaml"), compose.replacen("services:\n", good, 1)).unwrap();
    let file = bench.path("both.yaml");
    let run = bench.test(&["fibonacci-go", "fault-wrong-reply", "--functions", file.to_str().unwrap(), "-n", "8"]);
    assert_eq!(run.verdict(0)["outcome"], "passed", "{}", run.all());
    assert_eq!(run.verdict(1)["outcome"], "failed", "{}", run.all());
    assert_eq!(run.code, Some(1));
    bench.nothing_left();
}

/// A dependency that never completes is what the verdict names, on either base.
fn awaited(base: &str) {
    let bench = Bench::new();
    let functions = bench.path("functions.yaml");
    let text = "services:\n  fn:\n    image: vhiveease/fibonacci-go:latest\n    ports: [\"50000:50051\"]\n    x-futon: {client: fibonacci-go}\n\
                \x20   depends_on: {db: {condition: service_completed_successfully}}\n  db:\n    image: vhiveease/fibonacci-go:latest\n";
    std::fs::write(&functions, text).unwrap();
    let named = ["fn", "--base", base, "--limit", "start=20s", "--functions", functions.to_str().unwrap()];
    let run = bench.expect(&named, "timed_out", Some("start"), 1);
    let why = run.verdict(0)["why"].as_str().unwrap();
    assert!(why.contains("waiting until db has completed"), "{}", run.all());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_dependency_that_is_awaited_without_end_is_named() {
    awaited("docker");
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn lean_a_dependency_that_is_awaited_without_end_is_named() {
    awaited("lean");
}
