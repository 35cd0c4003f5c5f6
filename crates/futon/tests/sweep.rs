//! Sweeps on this machine: each cell is made once, whatever breaks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;
#[path = "sweep/support.rs"]
mod support;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::text;
use nix::sys::signal::Signal;
use support::{Chance, Sweeps, kill};

#[test]
fn what_has_a_result_is_not_made_again() {
    let sweeps = Sweeps::new();
    let text_of =
        |seeds: u32| format!("functions = \"all\"\nseeds = {seeds}\n[flags]\non = \"fake\"\n[sweep]\ninput = [1, 2]\n");
    sweeps.project.write("s.toml", &text_of(2));
    let output = sweeps.futon(&["sweep", "s.toml", "--jobs", "3"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let first = sweeps.makers("sweeps/s");
    assert_eq!(first.len(), 12, "three functions, two seeds, two inputs");
    assert_eq!(common::beyond_the_schema(&sweeps.report("sweeps/s")), [""; 0]);
    // The same again, then with more seeds, then another sweep with the same store.
    assert_eq!(sweeps.futon(&["sweep", "s.toml"]).status.code(), Some(0));
    assert_eq!(sweeps.makers("sweeps/s"), first);
    sweeps.project.write("s.toml", &text_of(3));
    let output = sweeps.futon(&["sweep", "s.toml"]);
    assert!(output.status.success() && text(&output).contains("18 cells, 12 with a result"), "{}", text(&output));
    let second = sweeps.makers("sweeps/s");
    assert!(second.len() == 18 && first.iter().all(|(digest, maker)| second[digest] == *maker));
    let other = "functions = [\"aes-go\"]\nseeds = [3, 4]\n[flags]\non = \"fake\"\ninput = 1\n";
    sweeps.project.write("other.toml", other);
    let output = sweeps.futon(&["sweep", "other.toml", "--store", "sweeps/s"]);
    assert!(output.status.success() && text(&output).contains("2 cells, 1 with a result"), "{}", text(&output));
    assert_eq!(sweeps.report("sweeps/other")["functions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_cell_that_breaks_futon_or_its_machine_stays_open_and_the_others_are_made() {
    let sweeps = Sweeps::new();
    let on =
        "[\"fake:pass\", \"fake:abort:invoke\", \"fake:killed:invoke\", \"fake:fail:invoke\", \"fake:panic:invoke\"]";
    sweeps.project.write("mix.toml", &format!("functions = [\"aes-go\"]\n[sweep]\non = {on}\n"));
    let output = sweeps.futon(&["sweep", "mix.toml", "--jobs", "2"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no result for 2 of 5 cells") && said.contains("a worker broke (signal: 6"), "{said}");
    let status = sweeps.status("sweeps/mix");
    let count = |word: &str| status["counts"][word].as_u64().unwrap();
    assert_eq!(["passed", "failed", "crashed", "open", "running"].map(count), [1, 1, 1, 2, 0], "{status:#}");
    // The first attempt and one more; each resume has as many.
    assert_eq!(sweeps.attempts("sweeps/mix"), [2, 2]);
    assert_eq!(sweeps.futon(&["sweep", "resume", "sweeps/mix"]).status.code(), Some(3));
    assert_eq!(sweeps.attempts("sweeps/mix"), [4, 4]);
    assert_eq!(sweeps.leavings("sweeps/mix"), [""; 0]);
}

#[test]
fn ctrl_c_ends_the_cells_and_resume_goes_on() {
    let sweeps = Sweeps::new();
    sweeps.project.write("s.toml", &sweeps.twelve(400));
    let mut futon = sweeps.command(&["sweep", "s.toml", "--jobs", "2"]).stderr(Stdio::piped()).spawn().unwrap();
    sweeps.wait_for("sweeps/s", 2);
    kill(futon.id(), Signal::SIGINT);
    let begun = Instant::now();
    let output = futon.wait().and_then(|_| futon.wait_with_output()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("To go on: futon sweep resume"), "{}", text(&output));
    assert_eq!(sweeps.leavings("sweeps/s"), [""; 0]);
    let kept = sweeps.makers("sweeps/s");
    assert!((2..12).contains(&kept.len()), "{kept:?}");
    assert_eq!(sweeps.futon(&["sweep", "resume", "sweeps/s"]).status.code(), Some(0));
    sweeps.is_whole("sweeps/s", 12, &kept);
}

#[test]
fn cancel_ends_what_runs_here() {
    let sweeps = Sweeps::new();
    sweeps.project.write("s.toml", &sweeps.twelve(60_000));
    let mut futon = sweeps.command(&["sweep", "s.toml", "--jobs", "2"]).stderr(Stdio::piped()).spawn().unwrap();
    sweeps.wait_for_claims("sweeps/s", 2);
    let output = sweeps.futon(&["sweep", "cancel", "sweeps/s"]);
    assert!(text(&output).contains("what ran on this machine has ended"), "{}", text(&output));
    assert_eq!(futon.wait().unwrap().code(), Some(130));
    let status = sweeps.status("sweeps/s");
    assert_eq!((&status["counts"]["running"], &status["counts"]["open"]), (&0.into(), &12.into()), "{status:#}");
    let output = sweeps.futon(&["sweep", "cancel", "sweeps/s"]);
    assert!(text(&output).contains("nobody makes cells of this sweep"), "{}", text(&output));
}

/// futon and its workers are killed at moments that a number decides; nothing that was done is lost or made again.
#[test]
fn killed_at_any_moment_nothing_is_lost() {
    let sweeps = Sweeps::new();
    sweeps.project.write("s.toml", &sweeps.twelve(150));
    let (mut chance, mut kept) = (Chance(20), sweeps.makers("sweeps/s"));
    let mut verb = vec!["sweep", "s.toml", "--jobs", "2"];
    for _ in 0..4 {
        let mut futon = sweeps.command(&verb).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300 + chance.below(400)));
        if chance.below(2) == 0 {
            kill(futon.id(), Signal::SIGKILL);
        } else if let Some((_, worker)) = sweeps.claims("sweeps/s").first() {
            kill(*worker, Signal::SIGKILL);
            std::thread::sleep(Duration::from_millis(chance.below(200)));
            kill(futon.id(), Signal::SIGKILL);
        }
        futon.kill().unwrap();
        futon.wait().unwrap();
        let now = sweeps.makers("sweeps/s");
        assert!(kept.iter().all(|(digest, maker)| now.get(digest) == Some(maker)), "{kept:?} {now:?}");
        kept = now;
        if sweeps.project.path("sweeps/s/sweep.json").exists() {
            verb = vec!["sweep", "resume", "sweeps/s", "--jobs", "2"];
        }
    }
    let output = sweeps.futon(&verb);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    sweeps.is_whole("sweeps/s", 12, &kept);
    sweeps.project.write("undisturbed.toml", &sweeps.twelve(150));
    assert_eq!(sweeps.futon(&["sweep", "undisturbed.toml"]).status.code(), Some(0));
    assert_eq!(sweeps.verdicts("sweeps/s"), sweeps.verdicts("sweeps/undisturbed"));
}

/// A worker is killed when its result is marked and not yet in its place.
#[test]
fn a_result_that_is_not_in_its_place_does_not_count() {
    let sweeps = Sweeps::new();
    let many = "functions = \"all\"\nseeds = 40\n[flags]\non = \"fake\"\n";
    sweeps.project.write("s.toml", many);
    let mut futon = sweeps.command(&["sweep", "s.toml", "--jobs", "1"]).stderr(Stdio::null()).spawn().unwrap();
    let cells = sweeps.project.path("sweeps/s/cells");
    let mut hits = 0;
    while hits < 2 && futon.try_wait().unwrap().is_none() {
        for entry in fs::read_dir(&cells).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            // .DIGEST.HOST-PROCESS-BEGUN
            if !name.starts_with('.') || !entry.path().join("cell.json").exists() {
                continue;
            }
            let pid = name.rsplit('-').nth(1).unwrap().parse().unwrap();
            kill(pid, Signal::SIGKILL);
            std::thread::sleep(Duration::from_millis(20));
            let digest = &name[1..65];
            if entry.path().join("cell.json").exists() && !cells.join(digest).exists() {
                hits += 1;
            }
        }
    }
    assert!(hits > 0, "no worker was killed in time");
    assert_eq!(futon.wait().unwrap().code(), Some(0));
    sweeps.is_whole("sweeps/s", 120, &Default::default());
    assert_eq!(sweeps.leavings("sweeps/s"), [""; 0]);
}

#[test]
fn two_at_once_share_the_cells() {
    let sweeps = Sweeps::new();
    sweeps.project.write("s.toml", &sweeps.twelve(300));
    let start = |words: &[&str]| sweeps.command(words).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let first = start(&["sweep", "s.toml", "--jobs", "2"]);
    sweeps.wait_for_claims("sweeps/s", 1);
    let second = start(&["sweep", "resume", "sweeps/s", "--jobs", "2"]);
    for futon in [first, second] {
        let output = futon.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    sweeps.is_whole("sweeps/s", 12, &Default::default());
    let workers: std::collections::BTreeSet<String> = sweeps.makers("sweeps/s").into_values().collect();
    assert!(workers.len() > 2, "both made some: {workers:?}");
    assert_eq!(sweeps.attempts("sweeps/s"), [0_u64; 0]);
}

#[test]
fn a_full_disk_ends_the_sweep_and_costs_no_result() {
    let sweeps = Sweeps::new();
    sweeps.project.write("s.toml", "functions = \"all\"\nseeds = 20\n[flags]\non = \"fake\"\n");
    fs::create_dir(sweeps.project.path("small")).unwrap();
    // A mount of its own, which ends with the shell.
    let script =
        "mount -t tmpfs -o size=1m tmpfs small && \"$0\" sweep s.toml --dir small/s --jobs 1; echo \"status $?\" >&2
        ls small/s/cells | wc -l >&2
        mount -o remount,size=64m small && \"$0\" sweep resume small/s --jobs 2; echo \"then $?\" >&2
        cp -r small/s s.kept";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_futon")]);
    let output = sweeps.environment(&mut command).output().unwrap();
    let said = text(&output);
    assert!(said.contains("status 3") && said.contains("No space left on device"), "{said}");
    assert!(said.contains("futon sweep resume") && said.contains("then 0"), "{said}");
    sweeps.is_whole("s.kept", 60, &Default::default());
}

#[test]
fn a_result_of_other_inputs_than_those_planned_is_none() {
    let sweeps = Sweeps::new();
    sweeps.project.write("s.toml", &sweeps.twelve(100));
    let mut futon = sweeps.command(&["sweep", "s.toml", "--jobs", "1"]).stderr(Stdio::null()).spawn().unwrap();
    sweeps.wait_for("sweeps/s", 1);
    kill(futon.id(), Signal::SIGINT);
    futon.wait().unwrap();
    let kept = sweeps.makers("sweeps/s").len();
    sweeps.project.write("resources/test-client", "another client");
    let output = sweeps.futon(&["sweep", "resume", "sweeps/s"]);
    let said = text(&output);
    assert!(output.status.code() == Some(3) && said.contains("other inputs (test-client differ)"), "{said}");
    assert_eq!(sweeps.makers("sweeps/s").len(), kept);
    // Planned anew, everything is new.
    let output = sweeps.futon(&["sweep", "s.toml"]);
    assert!(output.status.success() && text(&output).contains("the plan has changed"), "{}", text(&output));
    assert_eq!(sweeps.status("sweeps/s")["complete"], true);
}

#[test]
fn what_is_wrong_with_a_file_is_named_before_anything_is_made() {
    let sweeps = Sweeps::new();
    for (rest, words) in [
        ("[sweep]\nmemry = [1]", "s.toml:3: `futon test` has no flag --memry"),
        ("[flags]\njobs = 1", "a sweep cannot use --jobs: it is an option of `futon sweep`"),
        ("[flags]\nmemory = \"lots\"", "invalid value 'lots' for '--memory <MIB>'"),
        ("[flags]\non = \"fake\"\n[sweep]\nmemory = [512, 1024]", "memory changes nothing that shapes the result"),
    ] {
        sweeps.project.write("s.toml", &format!("functions = [\"aes-go\"]\n{rest}\n"));
        let output = sweeps.futon(&["sweep", "s.toml"]);
        assert!(output.status.code() == Some(2) && text(&output).contains(words), "{rest}: {}", text(&output));
    }
    assert!(!sweeps.project.path("sweeps").exists());
    sweeps.project.write("s.toml", &sweeps.twelve(1));
    let output =
        sweeps.command(&["sweep", "s.toml", "--executor", "slurm"]).env("PATH", "/nonexistent").output().unwrap();
    assert!(
        output.status.code() == Some(3) && text(&output).contains("there is no sbatch on PATH"),
        "{}",
        text(&output)
    );
    assert!(!sweeps.project.path("sweeps").exists());
}
