//! Suites in shards on the fake machine: cut, run, merged; and each thing that can go wrong with the parts is named.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::{Project, beyond_the_schema, oci_layout_of, text};
use serde_json::{Value, json};

/// A project with nine functions and images of three sizes.
fn project() -> Project {
    let project = Project::new();
    for (name, size) in [("small", 1), ("middle", 40), ("large", 90)] {
        let layer = vec![0; size * 1024];
        oci_layout_of(&project.path(&format!("layout-{name}")), name, &layer);
        let output = project.futon(&["images", "add", &format!("layout-{name}"), "--name", &format!("me/{name}:v1")]);
        assert!(output.status.success(), "{}", text(&output));
    }
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let mut compose = "services:\n".to_owned();
    for (at, name) in names.iter().enumerate() {
        let image = ["small", "middle", "large"][at % 3];
        compose.push_str(&format!("  {name}:\n    image: me/{image}:v1\n    x-futon: {{client: fibonacci-go}}\n"));
    }
    project.write("functions.yaml", &compose);
    project.write("functions.list", &(names.join("\n") + "\n"));
    project
}

/// Runs all shards, each as a CI job with a folder of its own.
fn shards(project: &Project, count: u32, more: &[&str]) {
    for shard in 1..=count {
        let (i_of_n, out) = (format!("{shard}/{count}"), format!("jobs/{shard}/results"));
        let output = project.futon(&[&["test", "--on", "fake", "--shard", &i_of_n, "--out", &out][..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
}

fn read(project: &Project, file: &str) -> Value {
    serde_json::from_slice(&fs::read(project.path(file)).unwrap()).unwrap()
}

fn change(project: &Project, file: &str, change: impl FnOnce(&mut Value)) {
    let mut value = read(project, file);
    change(&mut value);
    project.write(file, &value.to_string());
}

fn functions(value: &mut Value) -> &mut Vec<Value> {
    value["functions"].as_array_mut().unwrap()
}

/// What of a report does not depend on the clock and the folder.
fn results(report: &Value) -> Vec<Value> {
    let functions = report["functions"].as_array().unwrap().iter();
    let kept = ["name", "image", "digests", "cell", "proof", "verdict", "attempts", "remarks"];
    functions.map(|f| kept.map(|key| f[key].clone()).to_vec().into()).collect()
}

/// A merge that is refused: everything it said.
fn refused(project: &Project) -> String {
    let output = project.futon(&["merge", "jobs", "--out", "merged"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("these results do not make one suite") && said.contains("hint:"), "{said}");
    assert!(!project.path("merged").exists(), "{said}");
    said
}

#[test]
fn four_shards_merge_into_the_undisturbed_run() {
    let project = project();
    let (code, whole) = project.fake("pass", &[]);
    assert_eq!(code, Some(0), "{whole:#}");
    project.write("resources/packages.txt", "docker.io\t26.1.5\n");
    shards(&project, 4, &[]);
    let output = project.futon(&["merge", "jobs", "--out", "merged", "--json", "--junit", "junit.xml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let merged: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(merged, read(&project, "merged/report.json"));
    assert_eq!(beyond_the_schema(&merged), [""; 0]);
    assert_eq!(results(&merged), results(&whole));
    assert_eq!(merged["summary"], whole["summary"]);
    let junit = fs::read_to_string(project.path("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"9\"") && junit.contains("failures=\"0\""), "{junit}");
    assert_eq!(fs::read_to_string(project.path("merged/packages.txt")).unwrap(), "docker.io\t26.1.5\n");
    // The logs are where the shards left them, and the page leads there.
    let page = fs::read_to_string(project.path("merged/report.html")).unwrap();
    for function in merged["functions"].as_array().unwrap() {
        let folder = function["folder"].as_str().unwrap();
        assert!(folder.starts_with("../jobs/"), "{folder}");
        assert!(project.path("merged").join(folder).join("events.jsonl").is_file(), "{folder}");
        assert!(page.contains(&format!("href=\"{folder}/events.jsonl\"")), "{folder}: {page}");
    }
    // The merged suite is that of the whole run, as if there had been no shards.
    assert_eq!(read(&project, "merged/suite.json")["shard"], "1/1");
    let cells =
        |file| -> Vec<Value> { functions(&mut read(&project, file)).iter().map(|f| f["cell"].clone()).collect() };
    assert_eq!(cells("merged/suite.json"), cells("out/suite.json"));
    // What was moved together can be merged again.
    fs::create_dir(project.path("moved")).unwrap();
    for folder in ["jobs", "merged"] {
        fs::rename(project.path(folder), project.path("moved").join(folder)).unwrap();
    }
    let output = project.futon(&["merge", "moved/merged", "--out", "again", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(again["functions"][0]["folder"].as_str().unwrap().starts_with("../moved/jobs/"), "{again:#}");
}

#[test]
fn the_merged_verdicts_decide_the_exit_status() {
    let project = project();
    let test = |on: &str, shard: &str| {
        let output = project.futon(&["test", "--on", on, "--shard", shard, "--out", &format!("jobs/{}", &shard[..1])]);
        output.status.code()
    };
    assert_eq!([test("fake:fail:invoke", "1/2"), test("fake:fail:invoke", "2/2")], [Some(1), Some(1)]);
    let output = project.futon(&["merge", "jobs", "--out", "merged"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    // On the terminal, folders are as one can open them from here.
    let said = text(&output);
    let folder = said.lines().find_map(|line| line.trim().strip_prefix("all results are in ")).unwrap();
    assert!(project.path(folder).join("events.jsonl").is_file(), "{folder}");
    // A machine that does something else is another machine.
    fs::remove_dir_all(project.path("merged")).unwrap();
    assert_eq!(test("fake", "2/2"), Some(0));
    assert!(refused(&project).contains("scenario: "));
}

#[test]
fn list_and_matrix_say_what_the_shards_run() {
    let project = project();
    shards(&project, 4, &[]);
    let output = project.futon(&["plan", "--matrix", "--shards", "4"]);
    assert!(output.status.success(), "{}", text(&output));
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    let matrix: Value = serde_json::from_str(&line).unwrap();
    let mut all = BTreeSet::new();
    for (at, job) in matrix["include"].as_array().unwrap().iter().enumerate() {
        let shard = format!("{}/4", at + 1);
        assert_eq!(job["shard"], shard);
        let planned: Vec<&str> = job["functions"].as_str().unwrap().split(' ').collect();
        assert!(job["name"].as_str().unwrap().starts_with(&format!("{shard}: {}", planned[0])), "{job}");
        let report = read(&project, &format!("jobs/{}/results/report.json", at + 1));
        let ran: Vec<&str> =
            report["functions"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(planned, ran);
        let output = project.futon(&["list", "--on", "fake", "--shard", &shard, "--json"]);
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        let listed: Vec<&str> =
            list["functions"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(listed, ran);
        assert!(list["functions"].as_array().unwrap().iter().all(|f| f["shard"] == at + 1), "{list:#}");
        all.extend(planned.into_iter().map(str::to_owned));
    }
    assert_eq!(all.len(), 9);
    // There are no jobs without a function.
    let output = project.futon(&["plan", "--matrix", "--shards", "200", "a", "b"]);
    let matrix: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(matrix["include"].as_array().unwrap().len(), 2, "{matrix}");
}

#[test]
fn more_jobs_than_github_makes_are_refused() {
    let project = project();
    let names: Vec<String> = (0..300).map(|n| format!("f{n}")).collect();
    let services: Vec<String> = names
        .iter()
        .map(|n| format!("  {n}: {{image: \"me/small:v1\", x-futon: {{client: fibonacci-go}}}}\n"))
        .collect();
    project.write("functions.yaml", &format!("services:\n{}", services.concat()));
    project.write("functions.list", &names.join("\n"));
    let plan = |more: &[&str]| project.futon(&[&["plan", "--matrix", "--on", "fake"][..], more].concat());
    let output = plan(&["--shards", "257"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("at most 256 jobs") && text(&output).contains("hint:"), "{}", text(&output));
    let output = plan(&["--shards", "256"]);
    let matrix: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(matrix["include"].as_array().unwrap().len(), 256);

    // By duration: 300 functions of 2 s each.
    assert_eq!(plan(&["--target-duration", "20s"]).status.code(), Some(2), "nobody knows how long they take");
    let seconds: Vec<String> = names.iter().map(|n| format!("\"{n}\": 2.0")).collect();
    let timings =
        format!(r#"{{"schema": "futon.timings/1", "machines": {{"fake/docker": {{{}}}}}}}"#, seconds.join(","));
    project.write("timings.json", &timings);
    let output = plan(&["--target-duration", "20s", "--timings", "timings.json"]);
    let matrix: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(matrix["include"].as_array().unwrap().len(), 30, "{}", text(&output));
    let output = plan(&["--target-duration", "2s", "--timings", "timings.json"]);
    assert!(output.status.code() == Some(2) && text(&output).contains("256"), "{}", text(&output));
    for (more, why) in [
        (&[][..], "--shards N, or --target-duration"),
        (&["--shards", "2", "--shard", "1/2"], "leave --shard out"),
        (&["--shards", "2", "--target-duration", "1m"], "cannot be used with"),
    ] {
        let output = plan(more);
        assert!(output.status.code() == Some(2) && text(&output).contains(why), "{more:?}: {}", text(&output));
    }
}

/// Everything below a folder, with sizes.
fn tree(folder: &Path, found: &mut Vec<(String, u64)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let about = entry.metadata().unwrap();
        found.push((entry.path().display().to_string(), about.len()));
        if about.is_dir() {
            tree(&entry.path(), found);
        }
    }
    found.sort();
}

#[test]
fn listing_and_planning_start_and_write_nothing() {
    let project = project();
    let compose = fs::read_to_string(project.path("functions.yaml")).unwrap();
    let calls = "  with-calls:\n    image: me/nowhere:v1\n    x-futon:\n      port: 8080\n      calls: [{http: GET /, expect: {status: 200}}]\n";
    let mistyped = "  aes-go:\n    image: me/nowhere:v1\n    x-Futon: {port: 8080}\n";
    let services = compose + calls + mistyped;
    let line = services.lines().position(|line| line.contains("x-Futon")).unwrap() + 1;
    project.write("functions.yaml", &services);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    tree(&project.path(""), &mut before);
    let output = project.futon(&["list", "--all", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    assert!(project.futon(&["list", "a", "with-calls"]).status.success());
    assert!(project.futon(&["plan", "--matrix", "--shards", "3"]).status.success());
    let remark =
        format!("functions.yaml:{line}: service aes-go, key `x-Futon`: futon reads `x-futon`, and not this key");
    let output = text(&project.futon(&["list", "a", "aes-go"]));
    assert!(output.contains(&format!("note: {remark}")), "{output}");
    tree(&project.path(""), &mut after);
    assert_eq!(before, after);
    assert_eq!((&list["schema"], &list["machine"]), (&"futon.list/1".into(), &"qemu/docker".into()));
    assert_eq!(list["weighed_by"], "bytes");
    let of = |name: &str| list["functions"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap();
    assert_eq!(of("a")["calls"]["client"], "fibonacci-go");
    assert!(of("a")["images"][0]["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(of("c")["weight"].as_u64() > of("b")["weight"].as_u64());
    assert_eq!(
        (&of("with-calls")["calls"]["declared"], &of("with-calls")["images"][0]["digest"]),
        (&1.into(), &Value::Null)
    );
    assert_eq!((&of("aes-go")["remarks"], &of("a")["remarks"]), (&json!([remark]), &json!([])));
    // An archive would have to be added to the store.
    project.write("my.tar", "");
    let output = project.futon(&["list", "./my.tar"]);
    assert!(
        output.status.code() == Some(2) && text(&output).contains("futon images add ./my.tar"),
        "{}",
        text(&output)
    );
    let output = project.futon(&["list", "--base", "lean", "a"]);
    assert!(text(&output).contains("1 function · on qemu/lean"), "{}", text(&output));
}

#[test]
fn a_shard_without_a_function_is_no_failure_and_an_empty_suite_is() {
    let project = project();
    shards(&project, 4, &["a", "b"]);
    let empty: Vec<u32> = (1..=4)
        .filter(|shard| read(&project, &format!("jobs/{shard}/results/report.json"))["summary"]["total"] == 0)
        .collect();
    assert_eq!(empty.len(), 2);
    let report = read(&project, &format!("jobs/{}/results/report.json", empty[0]));
    assert_eq!(report["summary"]["exit_code"], 0);
    assert_eq!(beyond_the_schema(&report), [""; 0]);
    let output = project.futon(&["merge", "jobs", "--out", "merged"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(read(&project, "merged/report.json")["summary"]["total"], 2);
    project.write("functions.list", "# none\n");
    let output = project.futon(&["test", "--on", "fake", "--shard", "1/4"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let output = project.futon(&["test", "--on", "fake", "--shard", "5/4", "a"]);
    assert!(output.status.code() == Some(2) && text(&output).contains("no shard 5 of 4"), "{}", text(&output));
}

#[test]
fn a_removed_doubled_or_altered_result_is_named() {
    let project = project();
    shards(&project, 4, &[]);
    let file = "jobs/3/results/report.json";
    let whole = read(&project, file);
    let name = whole["functions"][0]["name"].as_str().unwrap();
    change(&project, file, |report| drop(functions(report).remove(0)));
    assert!(refused(&project).contains(&format!("  {name}: no result in shard 3/4 (")));

    change(&project, file, |report| *report = whole.clone());
    change(&project, "jobs/2/results/report.json", |report| functions(report).push(whole["functions"][0].clone()));
    assert!(refused(&project).contains(&format!("  {name}: this result does not belong into shard 2/4 (")));
    change(&project, "jobs/2/results/report.json", |report| drop(functions(report).pop()));

    change(&project, file, |report| report["functions"][0]["verdict"]["code"] = "log_check_failed".into());
    change(&project, file, |report| *report = whole.clone());
    change(&project, file, |report| report["functions"][0]["duration_ms"] = 1.into());
    assert!(refused(&project).contains(&format!("  {name}: the result in shard 3/4 (")));

    // In words and for programs.
    let output = project.futon(&["merge", "jobs", "--out", "merged", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["schema"], "futon.merge-refused/1");
    let problem = &said["problems"][0];
    assert_eq!((&problem["problem"], &problem["functions"][0]), (&"altered".into(), &name.into()), "{said:#}");
    assert_eq!(problem["at"]["shard"], "3/4");

    // As it was, it is whole.
    change(&project, file, |report| *report = whole.clone());
    assert!(project.futon(&["merge", "jobs", "--out", "merged"]).status.success());
}

#[test]
fn a_missing_shard_other_inputs_and_an_old_report_are_named() {
    let project = project();
    shards(&project, 4, &[]);
    fs::rename(project.path("jobs/3"), project.path("job-3")).unwrap();
    let said = refused(&project);
    assert!(said.contains("  shard 3/4 is missing: no result of "), "{said}");
    fs::rename(project.path("job-3"), project.path("jobs/3")).unwrap();

    // Another guest tool in one of the shards: all functions are concerned, and one line says so for each pair of shards.
    let tool = fs::read(project.path("resources/futon-guest")).unwrap();
    project.write("resources/futon-guest", "another guest tool");
    let output = project.futon(&["test", "--on", "fake", "--shard", "2/4", "--out", "jobs/2/results"]);
    assert!(output.status.success(), "{}", text(&output));
    let said = refused(&project);
    assert!(said.contains("inputs differ between shard") && said.contains("futon-guest: sha256:"), "{said}");
    fs::write(project.path("resources/futon-guest"), tool).unwrap();
    shards(&project, 4, &[]);

    fs::remove_file(project.path("jobs/1/results/suite.json")).unwrap();
    let said = refused(&project);
    assert!(said.contains("no suite.json beside report.json: an older futon"), "{said}");
}

#[test]
fn a_shard_that_ran_twice_and_agrees_is_kept_once() {
    let project = project();
    shards(&project, 2, &[]);
    let output = project.futon(&["test", "--on", "fake", "--shard", "2/2", "--out", "jobs/again"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = project.futon(&["merge", "jobs", "--out", "merged"]);
    assert!(output.status.success() && text(&output).contains("kept once"), "{}", text(&output));
    assert_eq!(read(&project, "merged/report.json")["summary"]["total"], 9);
}

#[test]
fn durations_are_recorded_for_the_whole_suite_and_weigh_the_next_run() {
    let project = project();
    let record = |more: &[&str]| {
        project.futon(&[&["test", "--on", "fake", "--record-timings", "ci.json", "--out", "out"][..], more].concat())
    };
    let output = record(&["--shard", "1/2"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("futon merge DIR… --out DIR --record-timings ci.json"), "{}", text(&output));
    assert!(!project.path("ci.json").exists());

    project.write("ci.json", r#"{"schema": "futon.timings/1", "machines": {"qemu/docker": {"z": 60.0}}}"#);
    assert!(record(&["a", "b"]).status.success());
    let timings = read(&project, "ci.json");
    assert_eq!(timings["machines"]["qemu/docker"]["z"], 60.0);
    let known = |timings: &Value| timings["machines"]["fake/docker"].as_object().map(|known| known.len());
    assert_eq!(known(&timings), Some(2), "{timings}");

    shards(&project, 2, &["--timings", "ci.json"]);
    let output = project.futon(&["merge", "jobs", "--out", "merged", "--record-timings", "ci.json"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(known(&read(&project, "ci.json")), Some(9));

    // A function that is known to take long gets a shard to itself.
    project.write(
        "ci.json",
        r#"{"schema": "futon.timings/1", "machines": {"fake/docker": {"a": 600.0, "b": 1.0, "c": 2.0}}}"#,
    );
    let output = project.futon(&["list", "--on", "fake", "--timings", "ci.json", "--shard", "1/2", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["weighed_by"], "milliseconds");
    assert_eq!(list["functions"].as_array().unwrap().len(), 1, "{list:#}");
    assert_eq!((&list["functions"][0]["name"], &list["functions"][0]["weight"]), (&"a".into(), &600_000.into()));

    // A function that fails takes as long as it takes to fail.
    let before = read(&project, "ci.json");
    let output =
        project.futon(&["test", "--on", "fake:fail:invoke", "--record-timings", "ci.json", "--out", "out", "a"]);
    assert_eq!((output.status.code(), read(&project, "ci.json")), (Some(1), before));
    project.write("ci.json", "{}");
    let output = project.futon(&["test", "--on", "fake", "--timings", "ci.json", "a"]);
    assert!(output.status.code() == Some(2) && text(&output).contains("ci.json"), "{}", text(&output));
}

#[test]
fn a_run_that_did_not_end_does_not_pass_for_the_one_before_it() {
    let project = project();
    shards(&project, 2, &[]);
    // The second run in the folder is stopped before its report.
    let output = project
        .command(&[
            "test",
            "--on",
            "fake:hang:invoke",
            "--shard",
            "2/2",
            "--out",
            "jobs/2/results",
            "--limit",
            "run=60s",
        ])
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut child = output.unwrap();
    let suite = project.path("jobs/2/results/suite.json");
    let written = fs::metadata(&suite).unwrap().modified().unwrap();
    for _ in 0..200 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        if fs::metadata(&suite).unwrap().modified().unwrap() != written {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let said = refused(&project);
    assert!(said.contains("shard 2/2 (") && said.contains("the run did not end"), "{said}");
}
