//! Sweeps by a real Slurm, which each test starts and ends itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../common/mod.rs"]
mod common;
mod lab;
#[path = "../sweep/support.rs"]
mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::text;
use lab::{ARRAY, Lab};
use nix::sys::signal::Signal;
use support::{Chance, Sweeps, kill};

/// futon, with the lab's Slurm and the script that plays gem5.
fn command(sweeps: &Sweeps, lab: &Lab, words: &[&str]) -> Command {
    let here = env!("CARGO_MANIFEST_DIR");
    let mut command = sweeps.command(words);
    command
        .env("SLURM_CONF", lab.conf())
        .env("GEM5", format!("{here}/tests/gem5/fake.sh"))
        .env("FAKE_TEMPLATE", format!("{here}/../qemu-to-gem5/tests/recorded/gem5-24.0.cpt"));
    command
}

fn futon(sweeps: &Sweeps, lab: &Lab, words: &[&str], status: i32) -> String {
    let output = command(sweeps, lab, words).output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {}", text(&output));
    text(&output)
}

/// Waits for a futon, but not for ever.
fn ends(mut futon: Child, lab: &Lab) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if let Some(status) = futon.try_wait().unwrap() {
            return status.code();
        }
        lab.revive();
        std::thread::sleep(Duration::from_millis(500));
    }
    futon.kill().unwrap();
    futon.wait().unwrap();
    None
}

/// Three functions, two systems, three seeds on the script that plays gem5: the same reports, and the same rows but for the host's figures.
#[test]
#[ignore = "needs Slurm: make test runs it"]
fn slurm_gives_what_this_machine_gives() {
    let (sweeps, lab) = (Sweeps::new(), Lab::start());
    for (name, content) in [
        ("lean-kernel", "kernel"),
        ("lean-initrd", "initramfs"),
        ("lean-cmdline", "console=ttyS0 quiet\n"),
        ("lean-seccomp.json", r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}"#),
    ] {
        sweeps.project.write(&format!("resources/{name}"), content);
    }
    let spec = "functions = \"all\"\nseeds = 3\n[flags]\non = \"gem5\"\ncpu = \"o3\"\nboot-machine = \"gem5\"\ninvocations = 2\n\
                [sweep]\nsystem = [\"simple\", \"skylake\"]\n[resources]\ncores = 1\nmemory = \"1GiB\"\ntime = \"5m\"\n\
                [slurm]\nat-once = 3\ncells-per-task = 2\n";
    sweeps.project.write("s.toml", spec);
    futon(&sweeps, &lab, &["sweep", "s.toml", "--dir", "here", "--jobs", "2"], 0);
    let said = futon(&sweeps, &lab, &["sweep", "s.toml", "--dir", "there", "--executor", "slurm"], 0);
    assert!(said.contains("18 cells in 9 tasks are Slurm's now"), "{said}");
    assert_eq!(sweeps.verdicts("here").len(), 18);
    assert_eq!(sweeps.verdicts("here"), sweeps.verdicts("there"));
    sweeps.is_whole("there", 18, &Default::default());
    let means = |dir: &str| fs::read_to_string(sweeps.project.path(&format!("{dir}/means.csv"))).unwrap();
    assert!(
        means("here") == means("there") && means("here").contains("fibonacci-go,skylake,cpi,"),
        "{}",
        means("here")
    );
    // Another process of futon's counts it, too, and nothing is left on the node.
    assert_eq!(sweeps.status("there")["complete"], true);
    assert_eq!(sweeps.leavings("there"), [""; 0]);
}

/// The same sweep disturbed at moments that a number decides.
#[test]
#[ignore = "kills Slurm's daemons at random moments: bench/sweep.sh runs it"]
fn whatever_dies_nothing_is_lost_or_made_twice() {
    let (sweeps, lab) = (Sweeps::new(), Lab::start());
    sweeps
        .project
        .write("s.toml", &(sweeps.twelve(900) + "[slurm]\nat-once = 2\n[resources]\ncores = 1\nmemory = \"1GiB\"\n"));
    futon(&sweeps, &lab, &["sweep", "s.toml", "--dir", "here", "--jobs", "4"], 0);
    let quiet =
        |words: &[&str]| command(&sweeps, &lab, words).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut driver = quiet(&["sweep", "s.toml", "--dir", "there", "--executor", "slurm"]);
    sweeps.wait_for_claims("there", 1);
    let (mut chance, mut kept) = (Chance(22), sweeps.makers("there"));
    for moment in 0..5 {
        std::thread::sleep(Duration::from_millis(100 + chance.below(900)));
        match moment {
            0 => {
                if let Some((_, worker)) = sweeps.claims("there").first() {
                    kill(*worker, Signal::SIGKILL);
                }
            }
            1 => {
                lab.kill_daemon("slurmd");
                std::thread::sleep(Duration::from_millis(chance.below(500)));
                lab.start_daemon("slurmd");
            }
            2 => {
                kill(driver.id(), Signal::SIGKILL);
                driver.wait().unwrap();
                driver = quiet(&["sweep", "resume", "there"]);
            }
            3 => {
                lab.kill_daemon("slurmctld");
                std::thread::sleep(Duration::from_millis(chance.below(500)));
                lab.start_daemon("slurmctld");
            }
            // As Slurm does it to make room for another's job.
            _ => {
                for (task, _) in lab.queue().iter().filter(|(_, state)| state == "RUNNING") {
                    let _ = lab.command("scontrol").args(["requeue", task]).output().unwrap();
                }
            }
        }
        let now = sweeps.makers("there");
        assert!(kept.iter().all(|(digest, maker)| now.get(digest) == Some(maker)), "{kept:?} {now:?}");
        kept = now;
    }
    let _ = ends(driver, &lab);
    for _ in 0..3 {
        if sweeps_are_complete(&sweeps, &lab) {
            break;
        }
        let _ = ends(quiet(&["sweep", "resume", "there"]), &lab);
    }
    assert!(sweeps_are_complete(&sweeps, &lab), "{}", lab.state());
    futon(&sweeps, &lab, &["sweep", "export", "there"], 0);
    sweeps.is_whole("there", 12, &kept);
    assert_eq!(sweeps.verdicts("here"), sweeps.verdicts("there"));
}

fn sweeps_are_complete(sweeps: &Sweeps, lab: &Lab) -> bool {
    let output = command(sweeps, lab, &["sweep", "status", "there", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    status["complete"] == true
}

/// A task that is stopped for another's job ends its machine and leaves its cell open; started again, it makes it.
#[test]
#[ignore = "needs Slurm: make test runs it"]
fn a_preempted_task_makes_its_cell_when_it_is_started_again() {
    let (sweeps, lab) = (Sweeps::new(), Lab::start());
    let spec = "functions = [\"aes-go\"]\n[flags]\non = \"fake:takes:2500\"\n[resources]\nmemory = \"1GiB\"\n";
    sweeps.project.write("s.toml", spec);
    futon(&sweeps, &lab, &["sweep", "s.toml", "--executor", "slurm", "--detach"], 0);
    sweeps.wait_for_claims("sweeps/s", 1);
    let (task, _) = lab.queue().remove(0);
    assert!(lab.command("scontrol").args(["requeue", &task]).status().unwrap().success());
    lab.until("the cell to be open", || sweeps.claims("sweeps/s").is_empty());
    assert_eq!(sweeps.leavings("sweeps/s"), [""; 0]);
    // Its task will make it: there is nothing to hand over.
    let said = futon(&sweeps, &lab, &["sweep", "resume", "sweeps/s"], 0);
    assert!(!said.contains("are Slurm's now"), "{said}");
    sweeps.is_whole("sweeps/s", 1, &Default::default());
    let attempts = fs::read_to_string(sweeps.project.path("sweeps/s/attempts.jsonl")).unwrap();
    assert!(attempts.lines().count() == 1 && attempts.contains("\"stopped\":true"), "{attempts}");
}

/// Arrays are no larger than Slurm allows; who resumes while they wait hands nothing over twice; cancelled, all is open again.
#[test]
#[ignore = "needs Slurm: make test runs it"]
fn what_is_in_the_queue_is_not_handed_over_again_and_cancel_empties_it() {
    let (sweeps, lab) = (Sweeps::new(), Lab::start());
    let spec = "functions = [\"aes-go\"]\nseeds = 20\n[flags]\non = \"fake:takes:60000\"\n[slurm]\nat-once = 4\n[resources]\nmemory = \"1GiB\"\n";
    sweeps.project.write("s.toml", spec);
    let resume = || futon(&sweeps, &lab, &["sweep", "resume", "sweeps/s", "--detach"], 0);
    let said = futon(&sweeps, &lab, &["sweep", "s.toml", "--executor", "slurm", "--detach"], 0);
    assert!(said.contains("20 cells in 20 tasks are Slurm's now"), "{said}");
    assert_eq!(
        fs::read_to_string(sweeps.project.path("sweeps/s/jobs.jsonl")).unwrap().lines().count(),
        20_usize.div_ceil(ARRAY)
    );
    assert!(!resume().contains("are Slurm's now"));
    sweeps.wait_for_claims("sweeps/s", 4);
    assert!(!resume().contains("are Slurm's now"));
    assert!(lab.queue().len() == 20 && sweeps.claims("sweeps/s").len() == 4, "{:?}", lab.queue());
    let said = futon(&sweeps, &lab, &["sweep", "cancel", "sweeps/s"], 0);
    assert!(said.contains("cancelled: 20 tasks of Slurm's"), "{said}");
    lab.until("an empty queue", || lab.queue().is_empty() && sweeps.claims("sweeps/s").is_empty());
    assert_eq!(sweeps.leavings("sweeps/s"), [""; 0]);
    let status = command(&sweeps, &lab, &["sweep", "status", "sweeps/s", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["counts"]["open"], 20, "{status:#}");
    // What is new is little: it is done at once, by both of two that are started together.
    sweeps
        .project
        .write("s.toml", &spec.replace("60000", "10").replace("at-once = 4", "at-once = 4\ncells-per-task = 5"));
    futon(&sweeps, &lab, &["sweep", "s.toml", "--executor", "slurm"], 0);
    sweeps.is_whole("sweeps/s", 20, &Default::default());
}

/// Without its controller Slurm's queue is not known: nothing is handed over that might be in it.
#[test]
#[ignore = "needs Slurm: make test runs it"]
fn without_the_controller_nothing_is_handed_over() {
    let (sweeps, lab) = (Sweeps::new(), Lab::start());
    sweeps.project.write("s.toml", &sweeps.twelve(60_000));
    futon(&sweeps, &lab, &["sweep", "s.toml", "--executor", "slurm", "--detach"], 0);
    lab.until_saved();
    lab.kill_daemon("slurmctld");
    let said = futon(&sweeps, &lab, &["sweep", "resume", "sweeps/s"], 3);
    assert!(said.contains("Slurm's controller does not answer"), "{said}");
    let said = futon(&sweeps, &lab, &["sweep", "status", "sweeps/s"], 0);
    assert!(said.contains("running and waiting cells count as open"), "{said}");
    lab.start_daemon("slurmctld");
    lab.until("the queue", || !lab.queue().is_empty());
    let said = futon(&sweeps, &lab, &["sweep", "cancel", "sweeps/s"], 0);
    assert!(said.contains("cancelled: 12 tasks of Slurm's"), "{said}");
}
