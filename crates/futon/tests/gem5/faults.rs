//! Each fault has its own name, within its limit.

use std::time::{Duration, Instant};

use crate::common::{oci_layout_of, text};
use crate::support::{Simulated, verdict, why};

#[test]
fn every_fault_has_its_verdict() {
    let simulated = Simulated::new();
    // Boots once; the faults below are those of later parts.
    assert_eq!(simulated.test("pass", &["fibonacci-go"]).0, Some(0));
    for (scenario, args, expected, exit, said) in [
        ("run:panic", &[][..], ("crashed", "invoke", "guest_panic"), 1, "Attempted to kill init"),
        ("run:killed", &[], ("infra", "invoke", "machine_died"), 3, "signal 9"),
        ("run:absolute", &[], ("crashed", "invoke", "forbidden_write"), 1, "/etc/futon-was-here"),
        ("run:simulated", &[], ("timed_out", "invoke", "run_timed_out"), 1, "--watchdog simulated="),
        ("run:unknown", &[], ("infra", "invoke", "unknown_exit"), 3, "a warp core breach"),
        ("run:failed", &[], ("failed", "invoke", "step_failed"), 1, "m5 fail 77"),
        ("run:forge", &[], ("crashed", "invoke", "guest_powered_off"), 1, "before its run script had finished"),
        ("run:crash", &[], ("failed", "invoke", "step_failed"), 1, "exit status 1"),
        ("run:hang", &["--watchdog", "progress=1s"], ("timed_out", "invoke", "no_progress"), 1, "limit progress"),
        ("run:hang", &["--watchdog", "host=1s"], ("timed_out", "invoke", "run_timed_out"), 1, "limit host"),
        ("run:stall", &["--watchdog", "stall=1s"], ("infra", "boot", "gem5_stalled"), 3, "committed no instruction"),
        ("run:no-script", &[], ("infra", "boot", "no_run_script"), 3, "could not open file"),
        ("run:malformed", &[], ("infra", "boot", "host_failed"), 3, "malformed event line"),
        // What was not kept is booted again, as those after it show.
        ("boot:oops", &["--memory", "512"], ("crashed", "boot", "guest_oops"), 3, "Oops: 0002"),
        ("boot:stuck", &["--memory", "512", "--watchdog", "boot=1s"], ("timed_out", "boot", "no_boot"), 3, "tick tock"),
        ("boot:silent", &["--memory", "512", "--watchdog", "boot=1s"], ("timed_out", "boot", "no_boot"), 3, "empty"),
        ("boot:killed-early", &["--memory", "512"], ("infra", "boot", "machine_died"), 3, "signal 9"),
        ("boot:disk-full", &["--memory", "512"], ("infra", "boot", "host_disk_full"), 3, "free disk space"),
        ("boot:torn", &["--memory", "512"], ("infra", "boot", "host_disk_full"), 3, "ends early"),
        ("boot:traceback", &["--memory", "512"], ("infra", "boot", "machine_not_started"), 3, "NameError"),
    ] {
        let begin = Instant::now();
        let (code, report) = simulated.test(scenario, &[&["fibonacci-go"], args].concat());
        assert_eq!(verdict(&report), expected, "{scenario}: {report:#}");
        assert_eq!(code, Some(exit), "{scenario}");
        assert!(why(&report).contains(said), "{scenario}: {}", why(&report));
        let remarks = report["functions"][0]["remarks"].to_string();
        assert_eq!(remarks.contains("forgery: "), scenario == "run:forge", "{scenario}: {remarks}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{scenario} took {:?}", begin.elapsed());
    }
}

#[test]
fn a_detailed_core_that_stands_still_is_tried_once_more() {
    let simulated = Simulated::new();
    let args = ["fibonacci-go", "--cpu", "o3", "-n", "2", "--uarch-warmup", "1", "--watchdog", "stall=1s"];
    let phases = |report: &serde_json::Value| {
        let phases = report["functions"][0]["simulation"]["phases"].as_array().unwrap().clone();
        phases.iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (code, report) = simulated.test("evaluate:stall-once", &args);
    assert_eq!((code, verdict(&report).0), (Some(0), "passed"), "{report:#}");
    assert_eq!(phases(&report), ["boot", "setup", "evaluate-stalled", "evaluate"]);
    assert_eq!(report["functions"][0]["simulation"]["rows"], 2);
    let remarks = report["functions"][0]["remarks"].to_string();
    assert!(
        remarks.contains("committed no instruction") && remarks.contains("drained after 10 simulated"),
        "{remarks}"
    );
    let folder = |name: &str| simulated.read(&format!("out/fibonacci-go/results/gem5/{name}/gem5.command"));
    assert!(folder("evaluate").contains("--drain-at-us") && !folder("evaluate-stalled").contains("--drain-at-us"));

    let (code, report) = simulated.test("evaluate:stall", &args);
    assert_eq!((code, verdict(&report).2), (Some(3), "gem5_stalled"), "{report:#}");
    assert_eq!(phases(&report), ["setup", "evaluate-stalled", "evaluate"]);
    // What the guest has said since the checkpoint it would say twice.
    let (code, report) = simulated.test("evaluate:stall-late", &args);
    assert_eq!((code, verdict(&report).2), (Some(3), "gem5_stalled"), "{report:#}");
    assert_eq!(phases(&report), ["setup", "evaluate"]);
}

#[test]
fn programs_that_gem5_gets_wrong_are_named() {
    let simulated = Simulated::new();
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.extend([0x66, 0x0f, 0x6d, 0x05, 0x2a, 0x7d, 0xf3, 0x00]);
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    layer.append_data(&mut header, "server", &program[..]).unwrap();
    oci_layout_of(&simulated.project.path("other"), "other", &layer.into_inner().unwrap());
    let added = simulated.project.futon(&["images", "add", "other", "--name", "vhiveease/aes-go:latest"]);
    assert!(added.status.success(), "{}", text(&added));
    let remarks = |function: &str| simulated.test("pass", &[function]).1["functions"][0]["remarks"].to_string();
    assert!(
        remarks("aes-go").contains("/server has 1 instruction that gem5 executes wrongly"),
        "{}",
        remarks("aes-go")
    );
    assert!(!remarks("fibonacci-go").contains("executes wrongly"));
}

#[test]
fn a_guest_cannot_write_out_of_the_run_directory() {
    let simulated = Simulated::new();
    let target = simulated.project.path("escaped");
    let words = ["test", "--on", "gem5", "--json", "--out", "out", "fibonacci-go"];
    let output = simulated.command("run:escape", &words).env("FAKE_ESCAPE", &target).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(!target.exists() && !simulated.project.path("out/fibonacci-go/results/gem5/run/escaped").exists());
    // The test can see an escape where there is one.
    let words = [&words[..], &["--unconfined"]].concat();
    let output = simulated.command("run:escape", &words).env("FAKE_ESCAPE", &target).output().unwrap();
    assert!(target.exists(), "{}", text(&output));
}

#[test]
fn a_damaged_checkpoint_is_named_and_not_restored() {
    let simulated = Simulated::new();
    let (_, report) = simulated.test("pass", &["fibonacci-go"]);
    let key = report["functions"][0]["simulation"]["parked_checkpoint"].as_str().unwrap().to_owned();
    simulated.project.write(&format!("resources/checkpoints/{key}/m5.cpt"), "[Globals]x");
    let (code, report) = simulated.test("pass", &["fibonacci-go"]);
    assert_eq!((code, verdict(&report)), (Some(3), ("infra", "boot", "bad_resource")), "{report:#}");
    assert!(why(&report).contains(&key) && why(&report).contains("rm -r"), "{}", why(&report));
}

#[test]
fn what_is_missing_is_named_before_anything_runs() {
    let simulated = Simulated::new();
    let run = |gem5: Option<&str>, args: &[&str]| {
        let mut command = simulated.command("pass", &[&["test", "--on", "gem5", "fibonacci-go"], args].concat());
        match gem5 {
            Some(path) => command.env("GEM5", path),
            None => command.env_remove("GEM5"),
        };
        let output = command.output().unwrap();
        (output.status.code(), text(&output))
    };
    let (code, said) = run(None, &[]);
    assert!(code == Some(3) && said.contains("gem5 missing") && said.contains("hint:"), "{said}");
    let (code, said) = run(Some("/nowhere/gem5.fast"), &[]);
    assert!(code == Some(3) && said.contains("/nowhere/gem5.fast"), "{said}");
    let (code, said) = run(Some("/bin/true"), &[]);
    assert!(code == Some(3) && said.contains("is not a gem5"), "{said}");
    let fake = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gem5/fake.sh");
    for (args, exit, why) in [
        (&["--kernel", "no-such-vmlinux"][..], 2, "no-such-vmlinux"),
        (&["--memory", "4096"], 2, "3072"),
        (&["--boot-cpu", "kvm"], 2, "without KVM"),
        (&["--cpu", "kvm"], 2, "nothing can be measured"),
        (&["--cpu", "warp"], 2, "no core model"),
        (&["--uarch-warmup", "2"], 2, "no effect on the atomic core"),
        (&["--watchdog", "boot"], 2, "NAME=DURATION"),
        (&["--sim-seed", "../x"], 2, "seed"),
        (&["--gem5-config", "no-such.py"], 2, "no-such.py"),
    ] {
        let (code, said) = run(Some(fake), args);
        // A script that cannot be read is found when the run begins, and so is the run's failure.
        let expected = if args[0] == "--gem5-config" { 3 } else { exit };
        assert!(code == Some(expected) && said.contains(why), "{args:?}: {code:?} {said}");
    }
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let simulated = Simulated::new();
    let words = ["test", "--on", "gem5", "fibonacci-go", "--out", "out"];
    let mut child = simulated.command("boot:stuck", &words).spawn().unwrap();
    let console = simulated.project.path("out/fibonacci-go/results/gem5/boot/m5out/system.pc.com_1.device");
    let limit = Instant::now() + Duration::from_secs(20);
    while !console.exists() {
        assert!(Instant::now() < limit, "the script did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let size = std::fs::metadata(&console).unwrap().len();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(std::fs::metadata(&console).unwrap().len(), size, "gem5 still runs");
}
