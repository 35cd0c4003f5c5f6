//! Jobs and investigations on real machines.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::real::{Bench, Run};

/// `futon run JOB` in an empty folder, with nothing of this repository's.
fn run_elsewhere(bench: &Bench, job: &Path) -> Run {
    let folder = bench.path("elsewhere");
    fs::create_dir_all(&folder).unwrap();
    let mut command = bench.command(&["run", job.to_str().unwrap(), "--json", "--out", "out"]);
    Run::of(&command.current_dir(&folder).env_remove("RESOURCES").output().unwrap())
}

/// Tests a function, makes a job of the run and runs that.
fn travels(bench: &Bench, args: &[&str]) {
    let here = bench.test(args);
    let (out, job) = (bench.path("out"), bench.path("run.futon"));
    let made = bench.command(&["rerun", out.to_str().unwrap(), "-o", job.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let there = run_elsewhere(bench, &job);
    let of = |run: &Run| {
        let function = &run.report["functions"][0];
        let verdict = &function["verdict"];
        let shown = [&verdict["outcome"], &verdict["step"], &verdict["code"], &function["cell"], &function["proof"]];
        shown.map(Value::clone)
    };
    assert_eq!((of(&here), here.code), (of(&there), there.code), "{}\n{}", here.all(), there.all());
    let remarks = there.report["functions"][0]["remarks"].to_string();
    assert!(remarks.contains("as recorded: ") && !remarks.contains("not as recorded"), "{}", there.all());
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_lean_run_ends_elsewhere_as_it_did() {
    let bench = Bench::new();
    travels(&bench, &["fibonacci-go", "--base", "lean", "-n", "3"]);
    let faults = ["--functions", "functions/faults.yaml", "--base", "lean", "-n", "3"];
    travels(&bench, &[&["fault-exit-at-once"][..], &faults].concat());
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_base_image_travels_in_the_job() {
    travels(&Bench::new(), &["fibonacci-go", "-n", "3"]);
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn an_investigation_names_function_and_base() {
    let bench = Bench::new();
    let compose = bench.path("functions.yaml");
    let write = |command: &str| {
        let service = "services:\n  f:\n    image: vhiveease/fibonacci-go:latest\n    container_name: function\n    ports: [\"50000:50051\"]\n    x-futon: {client: fibonacci-go}\n";
        fs::write(&compose, format!("{service}{command}")).unwrap();
    };
    let run = |out: &str, more: &[&str]| {
        let (compose, out) = (compose.to_str().unwrap(), bench.path(out));
        let words = ["test", "f", "--functions", compose, "--base", "lean", "-n", "3", "--vcpus", "1", "--out"];
        let output = bench.command(&[&words[..], &[out.to_str().unwrap()], more].concat()).output().unwrap();
        (out.to_str().unwrap().to_owned(), output.status.code())
    };
    let blame = |bad: &str, good: &str, out: &str| {
        let out = bench.path(out);
        let words = ["investigate", bad, "--good", good, "--times", "4", "--json", "--out", out.to_str().unwrap()];
        let output = bench.command(&words).output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        found
    };
    write("");
    let (good, code) = run("good", &[]);
    assert_eq!(code, Some(0));
    write("    command: [\"--no-such-flag\"]\n");
    let (bad, code) = run("bad", &[]);
    assert_eq!(code, Some(1));
    let found = blame(&bad, &good, "of-function");
    assert_eq!(
        (&found["blame"], &found["findings"]["as_it_was"]["failed"]),
        (&"function".into(), &4.into()),
        "{found:#}"
    );
    assert!(found["changes"].to_string().contains("compose file: sha256:"), "{found:#}");
    // An initramfs without the program that starts containers.
    write("");
    let initrd = bench.path("initrd");
    let mut bytes = fs::read(crate::real::root().join("resources/lean-initrd")).unwrap();
    let name = b"usr/bin/crun\0";
    let at = bytes.windows(name.len()).position(|found| found == name).unwrap();
    bytes[at + name.len() - 2] = b'x';
    fs::write(&initrd, bytes).unwrap();
    let (bad, code) = run("bad-base", &["--initrd", initrd.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let found = blame(&bad, &good, "of-base");
    assert_eq!(found["blame"]["base"], serde_json::json!(["lean guest"]), "{found:#}");
    bench.nothing_left();
}
