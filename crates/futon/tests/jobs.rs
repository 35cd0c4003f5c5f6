//! Jobs: a run that travels ends as it did, or says what is missing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{Project, text};
use serde_json::Value;

/// `futon run JOB` in an empty folder that has never seen the project.
fn run_elsewhere(job: &Path, more: &[&str]) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_futon"));
    command.arg("run").arg(job).args(["--json", "--out", "out"]).args(more).current_dir(folder.path());
    command.env_remove("RESOURCES").env("FUTON_TEST_FAKE_MACHINE", "proves nothing").env_remove("FUTON_DATA");
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

fn verdict(report: &Value) -> (String, Value, String) {
    let verdict = &report["functions"][0]["verdict"];
    (verdict["outcome"].to_string(), verdict["step"].clone(), verdict["code"].to_string())
}

#[test]
fn a_plan_runs_elsewhere() {
    for target in ["fib.futon", "fib"] {
        let project = Project::new();
        let output = project.futon(&["plan", "fibonacci-go", "aes-go", "--on", "fake", "-n", "3", "-o", target]);
        assert!(output.status.success() && text(&output).contains("next: futon run"), "{}", text(&output));
        let (_, here) = project.fake("pass", &["-n", "3"]);
        let job = tempfile::tempdir().unwrap();
        let moved = job.path().join(target);
        fs::rename(project.path(target), &moved).unwrap();
        // Nothing of the place where it was made is left.
        drop(project);
        let (output, there) = run_elsewhere(&moved, &[]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(there["summary"]["passed"], 2);
        for at in 0..2 {
            assert_eq!(here["functions"][at]["cell"], there["functions"][at]["cell"]);
            assert_eq!(here["functions"][at]["digests"], there["functions"][at]["digests"]);
        }
    }
}

#[test]
fn a_failed_run_fails_elsewhere_as_it_did() {
    for scenario in ["wrong-reply", "panic:invoke", "fail:start", "no-log"] {
        let project = Project::new();
        let (code, here) = project.fake(scenario, &["fibonacci-go"]);
        let output = project.futon(&["rerun", "out", "-o", "failed.futon"]);
        assert!(output.status.success(), "{}", text(&output));
        let (output, there) = run_elsewhere(&project.path("failed.futon"), &[]);
        assert_eq!((output.status.code(), verdict(&there)), (code, verdict(&here)), "{}", text(&output));
        let remarks = there["functions"][0]["remarks"].to_string();
        assert!(remarks.contains("as recorded: ") && !remarks.contains("not as recorded"), "{remarks}");
        // Moved to another place, as CI's artifacts are.
        fs::rename(project.path("out"), project.path("moved")).unwrap();
        let output = project.futon(&["rerun", "moved", "-o", "moved.futon"]);
        assert!(output.status.success(), "{}", text(&output));
        fs::rename(project.path("moved"), project.path("out")).unwrap();
        // And here.
        let output = project.futon(&["rerun", "out/report.json", "--json"]);
        let again: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
        assert_eq!(verdict(&again), verdict(&here));
    }
}

#[test]
fn a_run_that_ends_otherwise_is_told() {
    let project = Project::new();
    project.fake("wrong-reply", &["fibonacci-go"]);
    assert!(project.futon(&["rerun", "out", "-o", "job"]).status.success());
    let path = project.path("job/job.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("code\": \"wrong_reply"), "{text}");
    fs::write(&path, text.replace("code\": \"wrong_reply", "code\": \"call_failed")).unwrap();
    let (output, there) = run_elsewhere(&project.path("job"), &[]);
    let remarks = there["functions"][0]["remarks"].to_string();
    let said = "not as recorded: failed in invoke (call_failed) then, failed in invoke (wrong_reply) now";
    assert!(remarks.contains(said), "{remarks} {}", common::text(&output));
}

/// Who changes a job and adjusts its digests has another experiment, and it must not bear the name of the first.
#[test]
fn a_job_that_was_changed_is_not_the_run_of_its_cell() {
    let project = Project::new();
    project.write("more.txt", "one");
    let words = ["plan", "fibonacci-go", "--on", "fake", "-n", "3", "--file", "more.txt", "-o", "job"];
    assert!(project.futon(&words).status.success());
    let path = project.path("job/job.json");
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let run = |change: &dyn Fn(&mut Value)| {
        let mut job = whole.clone();
        change(&mut job);
        fs::write(&path, job.to_string()).unwrap();
        run_elsewhere(&project.path("job"), &[])
    };
    let refused = |change: &dyn Fn(&mut Value), word: &str| {
        let (output, _) = run(change);
        assert!(output.status.code() == Some(2) && text(&output).contains(word), "{word}: {}", text(&output));
    };
    let (output, report) = run(&|_| {});
    assert!(output.status.success(), "{}", text(&output));
    refused(&|job| job["functions"][0]["plan"]["client"]["invocations"] = 0.into(), "another are: client invocations");
    refused(
        &|job| job["functions"][0]["plan"]["images"] = Value::Array(vec![]),
        "another are: image vhiveease/fibonacci-go",
    );
    refused(&|job| job["functions"][0]["plan"]["steps"].as_array_mut().unwrap().truncate(2), "checks and steps");
    refused(&|job| job["functions"][0]["plan"]["function"] = "other".into(), "another are: function");
    refused(
        &|job| job["machine"]["on"] = serde_json::json!({ "fake": "wrong-reply" }),
        "the machine is not the one of the job's cell: scenario",
    );
    // A file of another content, with its own digest.
    let replace = |job: &mut Value, name: &str, content: &str| {
        let digest = futon_common::sha256_bytes(content);
        fs::write(project.path("job/blobs/sha256").join(&digest), content).unwrap();
        let blob = serde_json::json!({ "digest": format!("sha256:{digest}"), "size": content.len(), "form": "whole" });
        let files = [&job["functions"][0]["files"][name], &job["resources"][name]];
        let at = files.iter().position(|file| file.is_object()).unwrap();
        match at {
            0 => job["functions"][0]["files"][name] = blob,
            _ => job["resources"][name] = blob,
        }
    };
    refused(&|job| replace(job, "run.sh", "#!/bin/sh\nexit 0\n"), "another are: run script");
    refused(&|job| replace(job, "functions.yaml", "services: {}\n"), "another are: compose file");
    refused(&|job| replace(job, "futon-guest", "another"), "futon-guest is not the one of its cell");
    // Another futon gives the same run another cell, and says so.
    let (output, other) = run(&|job| {
        job["futon"] = "0.1.0".into();
        let cell = &mut job["functions"][0]["cell"];
        cell["inputs"]["futon"] = "0.1.0".into();
        let inputs = serde_json::from_value(cell["inputs"].clone()).unwrap();
        *cell = serde_json::to_value(futon_model::Cell::of(inputs)).unwrap();
    });
    assert!(output.status.success() && text(&output).contains("futon 0.1.0 made the job"), "{}", text(&output));
    assert_eq!(other["functions"][0]["cell"], report["functions"][0]["cell"]);
}

#[test]
fn those_that_failed_are_run_again_unless_others_are_named() {
    let project = Project::new();
    let names = |job: &str, more: &[&str]| {
        let output = project.futon(&[&["rerun", "out", "-o", job][..], more].concat());
        assert!(output.status.success(), "{}", text(&output));
        let job: Value = serde_json::from_slice(&fs::read(project.path(job).join("job.json")).unwrap()).unwrap();
        let functions = job["functions"].as_array().unwrap().iter().map(|f| f["plan"]["function"].to_string());
        functions.collect::<Vec<_>>().join(" ")
    };
    project.fake("pass", &[]);
    assert_eq!(names("all", &[]), "\"fibonacci-go\" \"aes-go\"");
    assert_eq!(names("one", &["aes-go"]), "\"aes-go\"");
    let path = project.path("out/report.json");
    let report = fs::read_to_string(&path).unwrap().replacen("\"outcome\": \"passed\"", "\"outcome\": \"failed\"", 1);
    fs::write(&path, report).unwrap();
    assert_eq!(names("failed", &[]), "\"fibonacci-go\"");
    let output = project.futon(&["rerun", "out", "nobody", "-o", "none"]);
    assert!(output.status.code() == Some(2) && text(&output).contains("no function nobody"), "{}", text(&output));
}

#[test]
fn what_has_changed_since_is_named() {
    let project = Project::new();
    project.write("more.txt", "one");
    project.fake("pass", &["fibonacci-go", "--file", "more.txt"]);
    let refused = |words: &[&str]| {
        let output = project.futon(&["rerun", "out", "-o", "again.futon"]);
        let said = text(&output);
        assert!(output.status.code() == Some(2) && words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    };
    project.write("resources/futon-guest", "another guest tool");
    refused(&["futon-guest was sha256:", "test it anew"]);
    project.write("resources/futon-guest", "guest tool");
    project.write("more.txt", "two");
    refused(&["file more.txt was sha256:"]);
    project.write("more.txt", "one");
    assert!(project.futon(&["images", "rm", "vhiveease/fibonacci-go:latest"]).status.success());
    refused(&["vhiveease/fibonacci-go:latest", "the store has no such image"]);
}

#[test]
fn a_damaged_job_is_refused_and_named() {
    let project = Project::new();
    assert!(project.futon(&["plan", "fibonacci-go", "--on", "fake", "-o", "job"]).status.success());
    let path = project.path("job/job.json");
    let whole = fs::read_to_string(&path).unwrap();
    let refused = |change: &dyn Fn(&str) -> String, word: &str| {
        fs::write(&path, change(&whole)).unwrap();
        let (output, _) = run_elsewhere(&project.path("job"), &[]);
        assert!(output.status.code() == Some(2) && text(&output).contains(word), "{word}: {}", text(&output));
        fs::write(&path, &whole).unwrap();
    };
    refused(&|text| text.replace("futon.job/1", "futon.job/9"), "this futon reads \"futon.job/1\"");
    refused(
        &|text| text.replace("\"client invocations\": \"20\"", "\"client invocations\": \"2\""),
        "inputs of its cell",
    );
    refused(&|text| text.replace("\"run.env\": {\n", "\"../run.env\": {\n"), "is no file name");
    refused(&|text| text[..text.len() / 2].to_owned(), "job.json");
    // A file that is another one, and one that is not there.
    let blobs = project.path("job/blobs/sha256");
    let blob = fs::read_dir(&blobs).unwrap().next().unwrap().unwrap().path();
    let content = fs::read(&blob).unwrap();
    fs::write(&blob, "x").unwrap();
    let (output, _) = run_elsewhere(&project.path("job"), &[]);
    assert!(output.status.code() == Some(2) && text(&output).contains("damaged job"), "{}", text(&output));
    fs::remove_file(&blob).unwrap();
    let (output, _) = run_elsewhere(&project.path("job"), &[]);
    assert!(output.status.code() == Some(2) && text(&output).contains("is missing in the job"), "{}", text(&output));
    fs::write(&blob, content).unwrap();
    let (output, _) = run_elsewhere(&project.path("job"), &["--vcpus", "4"]);
    assert!(text(&output).contains("--vcpus would change what the job is"), "{}", text(&output));
    assert!(run_elsewhere(&project.path("job"), &["--cold"]).0.status.success());
    project.write("text.futon", "no archive");
    let (output, _) = run_elsewhere(&project.path("text.futon"), &[]);
    assert!(output.status.code() == Some(2) && text(&output).contains("is no job"), "{}", text(&output));
}

/// What many jobs have in common is stored once.
#[test]
fn jobs_share_a_folder_of_blobs() {
    let project = Project::new();
    let plan = |name: &str, job: &str| {
        let output = project.futon(&["plan", name, "--on", "fake", "-o", job, "--blobs", "shared"]);
        assert!(output.status.success(), "{}", text(&output));
    };
    let files = || fs::read_dir(project.path("shared/sha256")).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
    plan("fibonacci-go", "one.futon");
    let of_one = files();
    plan("aes-go", "two");
    // The guest's tools are there once: only the second function's own files came.
    let is_tool = |path: &std::path::PathBuf| fs::read_to_string(path).is_ok_and(|text| text == "guest tool");
    assert!(files().len() > of_one.len() && of_one.iter().all(|file| file.is_file()), "{:?}", files());
    assert_eq!(files().iter().filter(|file| is_tool(file)).count(), 1);
    assert!(!project.path("two/blobs").exists());
    let shared = project.path("shared");
    let with = ["--blobs", shared.to_str().unwrap()];
    for job in ["one.futon", "two"] {
        let (output, report) = run_elsewhere(&project.path(job), &with);
        assert!(output.status.success() && report["summary"]["passed"] == 1, "{}", text(&output));
        let (output, _) = run_elsewhere(&project.path(job), &[]);
        assert!(output.status.code() == Some(2) && text(&output).contains("--blobs DIR"), "{}", text(&output));
    }
    // A file that somebody changed is not used, and one that is gone is named.
    let changed = of_one.iter().find(|file| is_tool(file)).unwrap();
    fs::write(changed, "evil tool!").unwrap();
    let (output, _) = run_elsewhere(&project.path("two"), &with);
    assert!(output.status.code() == Some(2) && text(&output).contains("futon-guest is not"), "{}", text(&output));
    fs::remove_file(changed).unwrap();
    let (output, _) = run_elsewhere(&project.path("two"), &with);
    assert!(
        text(&output).contains("futon-guest (") && text(&output).contains("neither in the job nor in"),
        "{}",
        text(&output)
    );
}

/// A job may come from anybody: its archive writes nowhere else.
#[test]
fn an_archive_that_leads_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.futon");
    for name in ["../evil", "link"] {
        let mut archive = tar::Builder::new(fs::File::create(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if name == "link" {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, "blobs", "/etc").unwrap();
        } else {
            header.set_size(1);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive.append(&header, &b"x"[..]).unwrap();
        }
        archive.into_inner().unwrap();
        let (output, _) = run_elsewhere(&path, &[]);
        assert!(
            output.status.code() == Some(2) && text(&output).contains("no job's file"),
            "{name}: {}",
            text(&output)
        );
        assert!(!folder.path().parent().unwrap().join("evil").exists());
    }
}

fn investigate(project: &Project, more: &[&str]) -> (Option<i32>, Value) {
    let output = project.futon(&[&["investigate", "--json"][..], more].concat());
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    (output.status.code(), found)
}

/// On the fake machine the scenario is the machine's: its fault is the base's.
#[test]
fn whose_fault_it_is() {
    let project = Project::new();
    let run = |scenario: &str, folder: &str| {
        let on = format!("fake:{scenario}");
        let output = project.futon(&["test", "fibonacci-go", "--on", &on, "--out", folder]);
        assert!(output.status.code().is_some_and(|code| code < 3), "{}", text(&output));
    };
    run("wrong-reply", "runs/2026-01-01T00-00-02Z");
    let bad = "runs/2026-01-01T00-00-02Z";
    // Nothing to compare it with.
    let (code, found) = investigate(&project, &[bad]);
    assert_eq!((code, &found["blame"]), (Some(1), &Value::from("unknown")), "{found:#}");
    assert_eq!(found["findings"]["as_it_was"]["codes"]["wrong_reply"], 5);
    // The last run in which it passed.
    run("pass", "runs/2026-01-01T00-00-01Z");
    let (code, found) = investigate(&project, &[bad]);
    assert_eq!((code, &found["findings"]["good_base"]["failed"]), (Some(1), &Value::from(0)), "{found:#}");
    assert!(found["blame"]["base"].is_array(), "{found:#}");
    assert!(found["changes"].to_string().contains("scenario: Pass → WrongReply"), "{found:#}");
    assert_eq!(found["findings"]["good_function"], Value::Null);
    // It passes: the good run as the failed one.
    let (code, found) = investigate(&project, &["runs/2026-01-01T00-00-01Z", "--times", "3"]);
    assert_eq!((code, &found["blame"]), (Some(0), &Value::from("gone")), "{found:#}");
    assert!(found["sentence"].as_str().unwrap().contains("3 runs"), "{found:#}");
}
