//! Functions that are prepared in QEMU for gem5. A script plays gem5: it writes a recorded template, and what it would simulate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::real::{Bench, Run, root, wait_for};

/// Resources without checkpoints.
fn resources(bench: &Bench) -> PathBuf {
    bench.own_resources(&["checkpoints"])
}

fn command(bench: &Bench, resources: &Path, out: &str, args: &[&str]) -> Command {
    let out = bench.path(out);
    let here = |name: &str| root().join("crates").join(name);
    let fixed = ["test", "--json", "--on", "gem5", "--cpu", "o3", "--boot-machine", "qemu", "--sim-seed", "7", "--out"];
    let mut command = bench.command(&[&fixed[..], &[out.to_str().unwrap()], args].concat());
    command.env("RESOURCES", resources).env("GEM5", here("futon/tests/gem5/fake.sh"));
    command.env("FAKE_TEMPLATE", here("qemu-to-gem5/tests/recorded/gem5-24.0.cpt"));
    command
}

fn phases(run: &Run) -> Vec<(String, Value)> {
    let phases = run.report["functions"][0]["simulation"]["phases"].as_array().unwrap();
    phases.iter().map(|p| (p["name"].as_str().unwrap().to_owned(), p["final_tick"].clone())).collect()
}

/// The one checkpoint that has a guest's memory as QEMU leaves it: its `m5.cpt` and the hashes of its files.
fn checkpoint(resources: &Path) -> (String, Value) {
    let mut found = Vec::new();
    for entry in fs::read_dir(resources.join("checkpoints")).unwrap().flatten() {
        let Ok(text) = fs::read_to_string(entry.path().join("futon.json")) else { continue };
        let known: Value = serde_json::from_str(&text).unwrap();
        if known["made_from"]["template"].is_string() {
            found.push((fs::read_to_string(entry.path().join("m5.cpt")).unwrap(), known["files"].clone()));
        }
    }
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn two_stages_of_one_seed_are_the_same_to_the_byte() {
    let bench = Bench::new();
    let own = resources(&bench);
    let stage = |out: &str| {
        let run = Run::of(&command(&bench, &own, out, &["fibonacci-go", "--software-warmup", "20"]).output().unwrap());
        assert_eq!((run.code, run.verdict(0)["outcome"].as_str()), (Some(0), Some("passed")), "{}", run.all());
        let simulation = &run.report["functions"][0]["simulation"];
        assert_eq!(simulation["boot_core"], "qemu");
        assert!(simulation["staged_in"].as_str().unwrap().starts_with("QEMU emulator version"), "{simulation:#}");
        let made = checkpoint(&own);
        fs::remove_dir_all(own.join("checkpoints")).unwrap();
        (phases(&run), made)
    };
    let (first, second) = (stage("one"), stage("two"));
    let names: Vec<&str> = first.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["template", "stage", "evaluate"]);
    assert_eq!(first.0, second.0, "the guest's time at the stop");
    assert!(first.1.1["system.physmem.store0.pmem"][0].as_str().unwrap().starts_with("blocks:"), "{}", first.1.1);
    assert_eq!(first.1, second.1);
    // It is the guest's state and not the template's: it has lived for a while.
    let tick = first.1.0.lines().find_map(|line| line.strip_prefix("curTick=")).unwrap().parse::<u64>().unwrap();
    assert!(tick > 50_000_000_000, "{tick}");
    bench.nothing_left();
}

/// A second process of the container computes three quarters of the time.
const BUSY: &str = r#"services:
  busy:
    image: vhiveease/fibonacci-python:latest
    container_name: function
    x-futon: {client: fibonacci-python}
    ports: ["50000:50051"]
    entrypoint:
      - python
      - -c
      - |
        import os, runpy, sys, time
        if os.fork() == 0:
            while True:
                end = time.monotonic() + 0.02
                while time.monotonic() < end:
                    pass
                time.sleep(0.007)
        sys.path.insert(0, "/app")
        sys.argv = ["server.py", "--addr=0.0.0.0", "--port=50051"]
        runpy.run_path("/app/server.py", run_name="__main__")
"#;

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_function_that_computes_between_calls_is_stopped_in_a_pause() {
    let bench = Bench::new();
    let own = resources(&bench);
    let file = bench.path("busy.yaml");
    fs::write(&file, BUSY).unwrap();
    let stage = |out: &str| {
        let words = ["busy", "--functions", file.to_str().unwrap(), "--software-warmup", "5"];
        let run = Run::of(&command(&bench, &own, out, &words).output().unwrap());
        assert_eq!((run.code, run.verdict(0)["outcome"].as_str()), (Some(0), Some("passed")), "{}", run.all());
        assert!(!run.all().contains("another processor computed"), "{}", run.all());
        let made = checkpoint(&own);
        forget_functions(&own);
        made
    };
    let first = stage("one");
    for again in ["two", "three"] {
        assert_eq!(first, stage(again));
    }
    bench.nothing_left();
}

/// Removes the checkpoints of functions, and keeps the others.
fn forget_functions(resources: &Path) {
    for entry in fs::read_dir(resources.join("checkpoints")).unwrap().flatten() {
        let Ok(text) = fs::read_to_string(entry.path().join("futon.json")) else { continue };
        if serde_json::from_str::<Value>(&text).unwrap()["made_from"]["payload"].is_string() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// The docker base, with its engine and Debian's kernel, its root in memory: an engine is started once, and each function goes on from there.
#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn an_engine_is_started_once_and_two_stages_from_there_are_the_same_to_the_byte() {
    let bench = Bench::new();
    let own = resources(&bench);
    let stage = |out: &str, function: &str| {
        let words = ["--base", "docker", function, "--software-warmup", "5"];
        let run = Run::of(&command(&bench, &own, out, &words).output().unwrap());
        let function = &run.report["functions"][0];
        assert_eq!((run.code, function["proof"].as_str()), (Some(0), Some("full")), "{}", run.all());
        let machine = &function["machine"];
        assert!(machine["base_image"].as_str().unwrap().ends_with("base-disk-image.img"), "{machine}");
        phases(&run)
    };
    let names = |phases: &[(String, Value)]| phases.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let first = stage("one", "fibonacci-go");
    assert_eq!(names(&first), ["template", "base", "stage", "evaluate"]);
    let made = checkpoint(&own);
    forget_functions(&own);
    let second = stage("two", "fibonacci-go");
    assert_eq!(names(&second), ["stage", "evaluate"], "the base is there");
    assert_eq!(first[2], second[0], "the guest's time at the stop");
    assert_eq!(made, checkpoint(&own));
    forget_functions(&own);
    assert_eq!(names(&stage("three", "fibonacci-python")), ["stage", "evaluate"], "it is no function's");
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn what_fails_on_a_staged_engine_has_its_name() {
    let bench = Bench::new();
    let own = resources(&bench);
    let run = |out: &str, words: &[&str]| {
        let words = [&["--base", "docker", "fibonacci-go"], words].concat();
        Run::of(&command(&bench, &own, out, &words).output().unwrap())
    };
    let template = fs::read_to_string(root().join("test/run_test.template.sh")).unwrap();
    let path = bench.path("script.sh");
    let script = path.to_str().unwrap();
    for (n, (line, instead, expected, said)) in [
        ("    step pull", "    rm -r registry; step pull", ("failed", "step_failed"), "no registry"),
        (
            "    step start",
            "    echo c >/proc/sysrq-trigger; sleep 60; step start",
            ("crashed", "guest_panic"),
            "sysrq",
        ),
        (
            "    step invoke",
            "    FUTON_ROI_CHECKPOINT=0 step invoke",
            ("infra", "staging_failed"),
            "nothing was measured",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(template.matches(line).count(), if line.ends_with("start") { 2 } else { 1 }, "{line}");
        fs::write(&path, template.replace(line, instead)).unwrap();
        let run = run(&format!("out-{n}"), &["--template", script]);
        let verdict = run.verdict(0);
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["code"].as_str()),
            (Some(expected.0), Some(expected.1)),
            "{instead}: {}",
            run.all()
        );
        assert!(verdict["why"].as_str().unwrap().contains(said), "{instead}: {verdict}");
    }
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn what_was_set_up_is_evaluated_without_qemu() {
    let bench = Bench::new();
    let own = resources(&bench);
    let make = |verb: &str, out: &str| {
        let mut command = command(&bench, &own, out, &["fibonacci-go"]);
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut other = bench.command(&[verb]);
        // The verb says the machine.
        other.args(words.into_iter().skip(1).filter(|word| word != "--on" && word != "gem5"));
        for (name, value) in command.get_envs() {
            other.env(name, value.unwrap());
        }
        command = other;
        Run::of(&command.output().unwrap())
    };
    let none = make("evaluate", "none");
    assert!(none.all().contains("futon setup"), "{}", none.all());
    let made = make("setup", "made");
    assert_eq!(made.code, Some(0), "{}", made.all());
    let evaluated = make("evaluate", "evaluated");
    assert_eq!(
        (evaluated.code, evaluated.verdict(0)["outcome"].as_str()),
        (Some(0), Some("passed")),
        "{}",
        evaluated.all()
    );
    assert_eq!(phases(&evaluated).len(), 1, "{}", evaluated.all());
    bench.nothing_left();
}

/// A run script that does something else before a step.
fn script(bench: &Bench, step: &str, text: &str) -> String {
    let template = fs::read_to_string(root().join("test/run_lean.template.sh")).unwrap();
    let line = template.lines().find(|line| line.contains(&format!("step {step} "))).unwrap();
    let path = bench.path("script.sh");
    fs::write(&path, template.replace(line, &format!("{text}\n{line}"))).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn faults_on_the_stage_have_their_names() {
    let bench = Bench::new();
    let own = resources(&bench);
    for (n, (step, fault, expected, said)) in [
        ("pull", "echo c >/proc/sysrq-trigger; sleep 60", ("crashed", "guest_panic"), "sysrq triggered"),
        ("pull", "m5 fail 77", ("failed", "step_failed"), "m5 fail 77"),
        ("pull", "while :; do :; done", ("timed_out", "run_timed_out"), "limit host"),
        ("invoke", "FUTON_ROI_CHECKPOINT=0", ("infra", "staging_failed"), "nothing was measured"),
    ]
    .into_iter()
    .enumerate()
    {
        let script = script(&bench, step, fault);
        let words = ["fibonacci-go", "--template", &script, "--watchdog", "host=40s"];
        let run = Run::of(&command(&bench, &own, &format!("out-{n}"), &words).output().unwrap());
        let verdict = run.verdict(0);
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["code"].as_str()),
            (Some(expected.0), Some(expected.1)),
            "{fault}: {}",
            run.all()
        );
        assert!(verdict["why"].as_str().unwrap().contains(said), "{fault}: {verdict}");
        // A guest's memory of no use is not kept.
        let memory = bench.path(&format!("out-{n}/fibonacci-go/results/gem5/stage/memory"));
        assert!(!memory.exists(), "{fault}");
    }
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn functions_that_fail_before_they_are_measured_fail_as_elsewhere() {
    let bench = Bench::new();
    let own = resources(&bench);
    for (function, step, code) in
        [("fault-never-listen", "ready", "not_listening"), ("fault-exit-at-once", "ready", "container_exited")]
    {
        let words = [function, "--functions", "functions/faults.yaml", "--software-warmup", "3", "--limit", "ready=5s"];
        let run = Run::of(&command(&bench, &own, function, &words).output().unwrap());
        let verdict = run.verdict(0);
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["step"].as_str()),
            (Some("failed"), Some(step)),
            "{}",
            run.all()
        );
        assert_eq!(verdict["code"], code, "{}", run.all());
    }
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn what_gem5_cannot_take_over_is_said() {
    let bench = Bench::new();
    let own = resources(&bench);
    let recorded = fs::read_to_string(root().join("crates/qemu-to-gem5/tests/recorded/gem5-24.0.cpt")).unwrap();
    let template = bench.path("template.cpt");
    for (n, (text, said)) in [
        (recorded.replace("apicTimerEventTick=", "otherKey="), "apicTimerEventTick"),
        (recorded.replace("[system.cpu1.isa]", "[x]"), "system.cpu1.isa"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&template, text).unwrap();
        let _ = fs::remove_dir_all(own.join("checkpoints"));
        let run = Run::of(
            &command(&bench, &own, &format!("out-{n}"), &["fibonacci-go"])
                .env("FAKE_TEMPLATE", &template)
                .output()
                .unwrap(),
        );
        let verdict = run.verdict(0);
        assert_eq!((&verdict["code"], run.code), (&"staging_failed".into(), Some(3)), "{}", run.all());
        assert!(verdict["why"].as_str().unwrap().contains(said), "{verdict}");
        assert!(verdict["hint"].as_str().unwrap().contains("--boot-machine gem5"), "{verdict}");
    }
    bench.nothing_left();
}

#[test]
#[ignore = "needs virtual machines: make test runs it"]
fn a_staging_machine_that_is_killed_is_no_fault_of_the_function() {
    let bench = Bench::new();
    let own = resources(&bench);
    let script = script(&bench, "pull", "while :; do :; done");
    let mut futon = command(&bench, &own, "out", &["fibonacci-go", "--template", &script, "--watchdog", "host=60s"]);
    let child = futon.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Its script has begun.
    let events = bench.path("out/fibonacci-go/results/gem5/stage/m5out/events.jsonl");
    let started = wait_for(std::time::Duration::from_secs(40), || events.exists());
    assert!(started, "{:?}", bench.processes());
    let pid = bench.processes().into_iter().find(|line| line.contains(": qemu-system-x86_64")).unwrap();
    let pid = nix::unistd::Pid::from_raw(pid.split(':').next().unwrap().parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let run = Run::of(&child.wait_with_output().unwrap());
    assert_eq!((&run.verdict(0)["code"], run.code), (&"machine_died".into(), Some(3)), "{}", run.all());
    bench.nothing_left();
}
