//! Suites in shards on the disk, whole and damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futon_model::{Cell, FunctionReport, Report};
use serde_json::{Value, json};

use super::{Merged, Problem, merge, relative};
use crate::{Shard, Suite, Unit, Weights};

/// Runs of all shards of a suite, in a folder each, as CI jobs leave them.
struct Runs {
    folder: tempfile::TempDir,
    shards: u32,
}

fn name(n: usize) -> String {
    format!("f{n:05}")
}

/// As many inputs as a real one has.
fn cell(name: &str, kernel: &str) -> Cell {
    let some = (0..20).map(|n| (format!("input {n}"), format!("sha256:{n:064}")));
    let known = [("function", name), ("kernel", kernel), ("machine", "qemu")];
    Cell::of(some.chain(known.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect())
}

fn function(name: &str, cell: &Cell, folder: &Path) -> FunctionReport {
    let machine = json!({"kind": "qemu", "version": "", "accelerator": "tcg", "accelerator_reason": "", "vcpus": 2, "memory_mib": 2048,
        "base_image": "", "kernel": ""});
    let verdict = json!({"outcome": "passed", "step": null, "code": "all_witnesses_agree", "why": "all agree"});
    serde_json::from_value(json!({"name": name, "image": null, "digests": [], "machine": machine, "proof": "full", "verdict": verdict,
        "steps": [], "invocations": null, "attempts": 1, "remarks": [], "duration_ms": 5, "folder": folder, "cell": cell}))
    .unwrap()
}

fn weights(count: usize) -> Weights {
    Weights { unit: Unit::Milliseconds, each: (0..count as u64).map(|n| 1000 + n * 7919 % 5000).collect() }
}

impl Runs {
    fn new(count: usize, shards: u32) -> Self {
        let runs = Self { folder: tempfile::tempdir().unwrap(), shards };
        for index in 1..=shards {
            runs.run(&runs.path(index), Shard::new(index, shards).unwrap(), count, "sha256:1");
        }
        runs
    }

    fn path(&self, index: u32) -> PathBuf {
        self.folder.path().join(format!("jobs/job-{index}/results"))
    }

    fn run(&self, path: &Path, shard: Shard, count: usize, kernel: &str) {
        fs::create_dir_all(path).unwrap();
        let cells = (0..count).map(|n| (name(n), Ok(cell(&name(n), kernel))));
        let mut suite = Suite::new("0.2.0", "qemu/docker", shard, &weights(count), cells.collect());
        let own = suite.functions.iter().filter(|member| member.shard == shard.index());
        let elsewhere = Path::new("/home/runner/work/out");
        let functions: Vec<FunctionReport> = own
            .map(|m| function(&m.name, m.cell.as_ref().unwrap(), &elsewhere.join(&m.name).join("results")))
            .collect();
        suite.close(&functions).unwrap();
        suite.write(path).unwrap();
        let report = json!({"schema": "futon.report/1", "futon": "0.2.0", "started": format!("2026-11-28T09:0{}:00Z", shard.index()),
            "duration_ms": 1000 * shard.index(), "cpu_ms": 10, "summary": {"total": functions.len(), "passed": functions.len(), "failed": 0,
            "infra": 0, "not_run": 0, "exit_code": 0}, "functions": functions});
        fs::write(path.join("report.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
        serde_json::from_value::<Report>(report).unwrap();
    }

    /// Changes the file of a run.
    fn change(&self, index: u32, file: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path(index).join(file);
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(path, value.to_string()).unwrap();
    }

    fn merge(&self) -> Result<Merged, Vec<Problem>> {
        merge(&[self.folder.path().join("jobs")], &self.folder.path().join("merged")).unwrap()
    }

    /// What speaks against a merge, in words, without the temporary folder.
    fn refused(&self) -> Vec<String> {
        let folder = fs::canonicalize(self.folder.path()).unwrap();
        let clean = |problem: &Problem| problem.to_string().replace(&format!("{}/jobs/", folder.display()), "");
        self.merge().unwrap_err().iter().map(clean).collect()
    }
}

fn functions(value: &mut Value) -> &mut Vec<Value> {
    value["functions"].as_array_mut().unwrap()
}

#[test]
fn shards_make_one_run_in_the_suites_order() {
    let runs = Runs::new(9, 4);
    let logs = runs.path(2).join("f00004/results");
    let in_second = Suite::read(&runs.path(2)).unwrap().functions[4].shard;
    let logs = if in_second == 2 { logs } else { runs.path(in_second).join("f00004/results") };
    fs::create_dir_all(&logs).unwrap();
    let merged = runs.merge().unwrap();
    let names: Vec<String> = merged.functions.iter().map(|f| f.name.clone()).collect();
    assert_eq!(names, (0..9).map(name).collect::<Vec<_>>());
    assert_eq!((merged.runs.len(), merged.cpu_ms, merged.duration_ms), (4, 40, 4000));
    assert_eq!((merged.started.as_str(), merged.repeated.len()), ("2026-11-28T09:01:00Z", 0));
    assert_eq!(merged.suite.shard, Shard::WHOLE);
    assert!(merged.suite.functions.iter().all(|member| member.shard == 1 && member.cell.is_ok()));
    // Where the logs are now; where there are none, what the report says.
    assert_eq!(Path::new(&merged.functions[4].folder), fs::canonicalize(logs).unwrap());
    assert_eq!(merged.functions[3].folder, "/home/runner/work/out/f00003/results");
}

#[test]
fn a_merged_run_can_be_merged_again_and_is_never_its_own_part() {
    let runs = Runs::new(5, 2);
    let out = runs.folder.path().join("jobs");
    let mut merged = runs.merge().unwrap();
    merged.suite.close(&merged.functions).unwrap();
    merged.suite.write(&out).unwrap();
    let mut report: Value = serde_json::from_slice(&fs::read(runs.path(1).join("report.json")).unwrap()).unwrap();
    report["functions"] = serde_json::to_value(&merged.functions).unwrap();
    fs::write(out.join("report.json"), report.to_string()).unwrap();
    // Now there is one run in `jobs`; for a merge into it, there are still the two.
    assert_eq!(runs.merge().unwrap().runs.len(), 1);
    let again = merge(std::slice::from_ref(&out), &out).unwrap().unwrap();
    assert_eq!((again.runs.len(), again.functions.len()), (2, 5));
}

#[test]
fn a_removed_result_is_named() {
    let runs = Runs::new(9, 4);
    let mut removed = String::new();
    runs.change(3, "report.json", |report| removed = functions(report).remove(0)["name"].as_str().unwrap().to_owned());
    assert_eq!(runs.refused(), [format!("{removed}: no result in shard 3/4 (job-3/results)")]);
}

#[test]
fn a_missing_shard_is_named_with_its_functions() {
    let runs = Runs::new(9, 4);
    let of_it = Suite::read(&runs.path(3)).unwrap().functions.into_iter().filter(|member| member.shard == 3);
    let names: Vec<String> = of_it.map(|member| member.name).collect();
    fs::remove_dir_all(runs.path(3)).unwrap();
    assert_eq!(runs.refused(), [format!("shard 3/4 is missing: no result of {}", names.join(", "))]);
}

#[test]
fn a_shard_that_did_not_end_is_named_once() {
    let runs = Runs::new(9, 4);
    fs::remove_file(runs.path(3).join("report.json")).unwrap();
    assert_eq!(runs.refused(), ["shard 3/4 (job-3/results): the run did not end: it has no report"]);
    // A report of an earlier run in the same folder does not stand in for this one's.
    let runs = Runs::new(9, 4);
    runs.change(3, "suite.json", |suite| {
        for member in functions(suite) {
            member.as_object_mut().unwrap().remove("result");
        }
    });
    assert_eq!(runs.refused(), ["shard 3/4 (job-3/results): the run did not end: it has no report"]);
}

#[test]
fn an_altered_result_is_named() {
    let runs = Runs::new(9, 4);
    let mut altered = String::new();
    runs.change(2, "report.json", |report| {
        let function = &mut functions(report)[1];
        function["verdict"]["why"] = "it looked fine".into();
        altered = function["name"].as_str().unwrap().to_owned();
    });
    let expected = format!("{altered}: the result in shard 2/4 (job-2/results) is not the one that the run wrote");
    assert_eq!(runs.refused(), [expected]);
}

#[test]
fn a_result_that_was_copied_to_another_shard_or_doubled_is_named() {
    let runs = Runs::new(9, 4);
    let mut copied = Value::Null;
    runs.change(1, "report.json", |report| copied = functions(report)[0].clone());
    runs.change(2, "report.json", |report| functions(report).push(copied.clone()));
    let name = copied["name"].as_str().unwrap();
    let expected = |shard| {
        format!("{name}: this result does not belong into shard {shard}/4 (job-{shard}/results), or is there twice")
    };
    assert_eq!(runs.refused(), [expected(2)]);
    let runs = Runs::new(9, 4);
    runs.change(1, "report.json", |report| functions(report).push(copied.clone()));
    assert_eq!(runs.refused(), [expected(1)]);
}

#[test]
fn a_repeated_shard_that_agrees_is_kept_once_and_one_that_does_not_is_named() {
    let runs = Runs::new(9, 4);
    let again = runs.folder.path().join("jobs/again");
    runs.run(&again, Shard::new(2, 4).unwrap(), 9, "sha256:1");
    let merged = runs.merge().unwrap();
    assert_eq!((merged.functions.len(), merged.runs.len()), (9, 5));
    let mut repeated = merged.repeated;
    repeated.sort();
    let of_it = Suite::read(&again).unwrap().functions.into_iter().filter(|member| member.shard == 2);
    assert_eq!(repeated, of_it.map(|member| member.name).collect::<Vec<_>>());

    // The same shard, run again with another verdict.
    let mut report: Report = serde_json::from_slice(&fs::read(again.join("report.json")).unwrap()).unwrap();
    let function = &mut report.functions[0];
    (function.verdict.outcome, function.verdict.code) = (futon_model::Outcome::Failed, futon_model::Code::WrongReply);
    let mut suite = Suite::read(&again).unwrap();
    suite.close(&report.functions).unwrap();
    suite.write(&again).unwrap();
    fs::write(again.join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let name = &report.functions[0].name;
    assert_eq!(
        runs.refused(),
        [format!(
            "{name}: the same inputs, and two verdicts: failed (wrong_reply) in shard 2/4 (again), passed (all_witnesses_agree) in shard 2/4 (job-2/results)"
        )]
    );
}

#[test]
fn inputs_that_differ_are_named_once_for_all_functions() {
    let runs = Runs::new(9, 2);
    runs.run(&runs.path(2), Shard::new(2, 2).unwrap(), 9, "sha256:2");
    let refused = runs.refused();
    // Those that ran in the first and those that ran in the second, each held against the other.
    assert_eq!(refused.len(), 2, "{refused:?}");
    for line in &refused {
        assert!(line.contains("inputs differ between shard") && line.contains("kernel: sha256:"), "{line}");
        assert!(!line.contains("machine"), "{line}");
    }
    let problems = runs.merge().unwrap_err();
    let mut named: Vec<String> = problems
        .iter()
        .flat_map(|problem| match problem {
            Problem::Inputs { functions, .. } => functions.clone(),
            other => panic!("{other}"),
        })
        .collect();
    named.sort();
    assert_eq!(named, (0..9).map(name).collect::<Vec<_>>());
}

#[test]
fn an_edited_input_is_named() {
    let runs = Runs::new(9, 4);
    runs.change(4, "suite.json", |suite| suite["functions"][2]["inputs"]["function"] = "g".into());
    let refused = runs.refused();
    assert_eq!(refused, ["f00002: the inputs in shard 4/4 (job-4/results) were edited: their digest is another"]);
}

#[test]
fn an_input_that_changed_during_the_run_is_named() {
    let runs = Runs::new(4, 1);
    let mut report: Report = serde_json::from_slice(&fs::read(runs.path(1).join("report.json")).unwrap()).unwrap();
    report.functions[1].cell = Some(cell("f00001", "sha256:2"));
    let mut suite = Suite::read(&runs.path(1)).unwrap();
    suite.close(&report.functions).unwrap();
    suite.write(&runs.path(1)).unwrap();
    fs::write(runs.path(1).join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let expected = "f00001: inputs changed during the run in job-1/results: kernel: sha256:2 and sha256:1";
    assert_eq!(runs.refused(), [expected]);
}

#[test]
fn reports_without_a_suite_or_without_cells_are_refused_with_the_reason() {
    let runs = Runs::new(4, 2);
    fs::remove_file(runs.path(1).join("suite.json")).unwrap();
    let refused = runs.refused();
    assert!(
        refused[0].starts_with("job-1/results: there is no suite.json beside report.json: an older"),
        "{refused:?}"
    );

    let runs = Runs::new(4, 1);
    let mut report: Report = serde_json::from_slice(&fs::read(runs.path(1).join("report.json")).unwrap()).unwrap();
    report.functions[2].cell = None;
    let mut suite = Suite::read(&runs.path(1)).unwrap();
    suite.functions[2].cell = Err("no".into());
    suite.close(&report.functions).unwrap();
    suite.write(&runs.path(1)).unwrap();
    fs::write(runs.path(1).join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    assert_eq!(runs.refused(), ["f00002: job-1/results does not say what the result depends on (it has no cell)"]);
}

#[test]
fn other_suites_are_refused_before_anything_is_missed() {
    let runs = Runs::new(9, 4);
    runs.run(&runs.path(4), Shard::new(4, 4).unwrap(), 7, "sha256:1");
    let expected = "shard 1/4 (job-1/results) and shard 4/4 (job-4/results) are of different suites: only the first has f00007 and 1 more";
    assert_eq!(runs.refused(), [expected]);
    let runs = Runs::new(9, 4);
    runs.run(&runs.path(4), Shard::new(3, 3).unwrap(), 9, "sha256:1");
    let refused = runs.refused();
    assert!(refused[0].contains("cut into 4 shards, the second into 3"), "{refused:?}");
}

#[test]
fn a_folder_without_a_run_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for dir in [folder.path().to_owned(), folder.path().join("no")] {
        let error = merge(&[dir], folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), futon_model::ExitCode::Usage);
    }
}

#[test]
fn paths_from_one_folder_to_another() {
    for (from, to, path) in
        [("/a/b", "/a/b/c/d", "c/d"), ("/a/m", "/a/s/1", "../s/1"), ("/m", "/s", "../s"), ("/", "/s", "s")]
    {
        assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(path));
    }
}

/// Prints how long many functions take; a machine that is slow today is no failure.
#[test]
fn ten_thousand_functions_are_merged() {
    let begin = Instant::now();
    let runs = Runs::new(10_000, 4);
    let written = begin.elapsed();
    let begin = Instant::now();
    let merged = runs.merge().unwrap();
    let took = begin.elapsed();
    let suite = Suite::read(&runs.path(1)).unwrap();
    let functions: Vec<(&str, u64)> = suite.functions.iter().map(|m| (m.name.as_str(), m.weight)).collect();
    let begin = Instant::now();
    let shards = crate::assign(&functions, runs.shards);
    println!("10,000 functions: written in {written:?}, merged in {took:?}, assigned in {:?}", begin.elapsed());
    assert_eq!((merged.functions.len(), shards.len()), (10_000, 10_000));
}
