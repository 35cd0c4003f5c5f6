use serde_json::json;

use super::*;

/// A report of one function.
pub fn report(name: &str, outcome: &str, step: Option<&str>) -> Report {
    let function = json!({"name": name, "image": null, "digests": [], "proof": "full", "steps": [], "invocations": null,
        "verdict": {"outcome": outcome, "step": step, "code": "step_failed", "why": "because"}, "remarks": [],
        "duration_ms": 1500, "folder": "/tmp/scratch/x", "machine": {"kind": "fake", "version": "", "accelerator": "none",
        "accelerator_reason": "", "vcpus": 0, "memory_mib": 0, "base_image": "", "kernel": ""}});
    let function: FunctionReport = serde_json::from_value(function).unwrap();
    serde_json::from_value(json!({"schema": "futon.report/1", "futon": "0", "started": "", "duration_ms": 1,
        "summary": {"total": 1, "passed": 0, "failed": 0, "infra": 0, "not_run": 0, "exit_code": 0},
        "functions": [function]}))
    .unwrap()
}

/// A store in a temporary folder.
pub fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

/// Makes and keeps a result.
pub fn put(store: &Store, name: &str, outcome: &str) -> (Cell, bool) {
    let cell = Cell::of(BTreeMap::from([("function".to_owned(), name.to_owned())]));
    let report = report(name, outcome, None);
    let made = store.workplace(&cell.digest, "w").unwrap();
    fs::write(made.join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let done = Done::of(&cell.digest, &report.functions[0]).unwrap();
    let kept = store.keep(&made, &cell, &done, "w").unwrap();
    (cell, kept)
}

#[test]
fn a_result_is_there_whole_or_not_at_all() {
    let (_folder, store) = store();
    let cell = Cell::of(BTreeMap::from([("function".to_owned(), "f".to_owned())]));
    let made = store.workplace(&cell.digest, "w").unwrap();
    fs::write(made.join("half"), "").unwrap();
    // A worker that is killed now leaves nothing that counts.
    assert!(!store.is_done(&cell.digest) && store.done().unwrap().is_empty());
    let (cell, kept) = put(&store, "f", "passed");
    assert!(kept && store.is_done(&cell.digest));
    assert!(!store.folder(&cell.digest).join("half").exists(), "another's leavings are not in the result");
    assert_eq!(store.cell(&cell.digest).unwrap(), cell);
    let function = store.report(&cell.digest).unwrap();
    assert_eq!(function.folder, store.folder(&cell.digest).join("f/results").display().to_string());
}

#[test]
fn a_result_that_was_changed_or_exchanged_is_no_result() {
    let (_folder, store) = store();
    let (a, _) = put(&store, "a", "passed");
    let (b, _) = put(&store, "b", "failed");
    assert!(store.report(&a.digest).is_ok() && store.report(&b.digest).is_ok());
    let path = store.folder(&b.digest).join("report.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"outcome\":\"failed\"", "\"outcome\":\"passed\"")).unwrap();
    assert!(store.report(&b.digest).unwrap_err().to_string().contains("changed after the result was made"));
    // Even without the digest of earlier versions' marks.
    let mark = store.folder(&b.digest).join("cell.json");
    let without: Vec<String> =
        fs::read_to_string(&mark).unwrap().lines().filter(|l| !l.contains("\"report\":")).map(str::to_owned).collect();
    fs::write(&mark, without.join("\n").replace(",\n}", "\n}")).unwrap();
    assert!(store.report(&b.digest).unwrap_err().to_string().contains("does not say what was noted"));
    // Another cell's folder under this one's name.
    for name in ["report.json", "cell.json"] {
        fs::copy(store.folder(&a.digest).join(name), store.folder(&b.digest).join(name)).unwrap();
    }
    assert!(store.report(&b.digest).unwrap_err().to_string().contains("not the result of the cell"));
}

#[test]
fn the_first_result_stays() {
    let (_folder, store) = store();
    let (cell, _) = put(&store, "f", "passed");
    fs::write(store.folder(&cell.digest).join("first"), "").unwrap();
    let (_, kept) = put(&store, "f", "failed");
    assert!(!kept && store.folder(&cell.digest).join("first").exists());
    assert_eq!(store.done().unwrap()[&cell.digest].outcome, Outcome::Passed);
    assert_eq!(names_in(&store.root().join("cells")).unwrap().len(), 1);
}

#[test]
fn a_folder_without_its_mark_is_no_result_and_is_put_aside() {
    let (_folder, store) = store();
    let (cell, _) = put(&store, "f", "passed");
    fs::remove_file(store.folder(&cell.digest).join(MARK)).unwrap();
    fs::remove_file(store.done_file()).unwrap();
    assert!(!store.is_done(&cell.digest) && store.done().unwrap().is_empty());
    assert!(put(&store, "f", "failed").1);
    assert_eq!(store.done().unwrap()[&cell.digest].outcome, Outcome::Failed);
}

#[test]
fn lines_that_are_missing_or_stale_are_made_good() {
    let (_folder, store) = store();
    let digests: Vec<String> = ["a", "b", "c"].map(|name| put(&store, name, "passed").0.digest).into();
    fs::remove_file(store.done_file()).unwrap();
    assert_eq!(store.done().unwrap().len(), 3);
    assert_eq!(fs::read_to_string(store.done_file()).unwrap().lines().count(), 3, "it is rebuilt");
    let text = fs::read_to_string(store.done_file()).unwrap();
    fs::write(store.done_file(), &text[..text.len() - 20]).unwrap();
    assert_eq!(store.done().unwrap().len(), 3);
    fs::remove_dir_all(store.folder(&digests[0])).unwrap();
    assert_eq!(store.done().unwrap().len(), 2, "a line is no result");
}

#[test]
fn what_says_nothing_about_the_function_is_no_result() {
    for (outcome, step, decided) in [
        ("passed", None, true),
        ("failed", Some("invoke"), true),
        ("timed_out", Some("invoke"), true),
        ("crashed", Some("pull"), true),
        ("timed_out", Some("boot"), false),
        ("infra", Some("upload"), false),
        ("not_run", None, false),
    ] {
        let report = report("f", outcome, step);
        assert_eq!(Done::of("d", &report.functions[0]).is_some(), decided, "{outcome} {step:?}");
    }
}

#[test]
fn attempts_are_counted_within_a_run() {
    let (_folder, store) = store();
    let attempt = |run: &str, stopped| Attempt {
        digest: "d".into(),
        worker: "w".into(),
        run: run.into(),
        ended: String::new(),
        why: "no".into(),
        stopped,
    };
    store.note(&attempt("1", false)).unwrap();
    store.note(&attempt("2", true)).unwrap();
    store.note(&attempt("2", false)).unwrap();
    assert!(!store.is_given_up("d", "2", 1).unwrap(), "one attempt, and one more is allowed");
    store.note(&attempt("2", false)).unwrap();
    assert!(store.is_given_up("d", "2", 1).unwrap() && !store.is_given_up("d", "3", 1).unwrap());
}
