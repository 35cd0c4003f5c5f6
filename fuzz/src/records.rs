//! What futon wrote itself and reads again: plans, journals, reports, lists of files.

use std::fs;
use std::time::Duration;

use futon_harness::report::{RunMeta, function_report, junit, report, write_report};
use futon_model::{Event, Outcome, Plan, Report};
use futon_workdir::WorkDir;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::scratch;

/// Records that are read are written again as they were; a journal of any events makes a report, and passes only with its witnesses.
///
/// Input: `plan.json`, `events.jsonl` and the meta data of a run, with a line `==` between them. A report in the first place is
/// read, too.
pub fn records(data: &[u8]) {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(4).position(|w| w == b"\n==\n") {
        parts.push(&rest[..at + 1]);
        rest = &rest[at + 4..];
    }
    parts.push(rest);
    let (plan, events) = (parts[0], parts.get(1).copied().unwrap_or_default());
    same_again::<Plan>(plan);
    if let Some(report) = same_again::<Report>(plan) {
        let folder = scratch::folder();
        pages(&report, folder.path());
    }
    for line in events.split(|b| *b == b'\n') {
        same_again::<Event>(line);
    }
    let folder = scratch::folder();
    let root = folder.path().join("run");
    fs::create_dir_all(root.join("results/uploads")).expect("folders");
    fs::write(root.join("plan.json"), plan).expect("a file");
    fs::write(root.join("served.json"), "{}").expect("a file");
    fs::write(root.join("results/events.jsonl"), events).expect("a file");
    fs::write(root.join("results/console.log"), events).expect("a file");
    let Ok(workdir) = WorkDir::open(&root) else { return };
    let Ok(events) = workdir.read_events() else { return };
    let Some(meta) = parts.get(2).and_then(|meta| serde_json::from_slice::<RunMeta>(meta).ok()) else { return };
    let function = function_report(&workdir, &events, &meta);
    if function.verdict.outcome == Outcome::Passed {
        // There are no uploads in this folder: no results log, no client's report. Nothing can have passed.
        panic!("passed without a results log: {:?}", function.verdict);
    }
    let report = report(vec![function], std::time::SystemTime::UNIX_EPOCH, Duration::from_secs(1));
    assert_ne!(report.summary.exit_code, 0, "exit code 0 without a pass");
    pages(&report, folder.path());
    same_again::<Report>(&serde_json::to_vec(&report).expect("a report is text"));
}

fn same_again<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(text: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(text).ok()?;
    let written = serde_json::to_vec(&value).expect("a record is text");
    let again: T = serde_json::from_slice(&written)
        .unwrap_or_else(|e| panic!("{} cannot be read again: {e}", String::from_utf8_lossy(&written)));
    // Two that hold a NaN are never equal, their texts are.
    let twice = serde_json::to_vec(&again).expect("a record is text");
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&twice));
    Some(value)
}

/// No text of a run becomes part of the page's or the file's own markup.
fn pages(report: &Report, folder: &std::path::Path) {
    let xml = junit(report).expect("every report has a JUnit file");
    // XML 1.0, 2.2: what a document may hold.
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(allowed), "JUnit's file holds characters that XML does not know");
    if write_report(folder, report).is_err() {
        return;
    }
    let Ok(page) = fs::read_to_string(folder.join("report.html")) else { return };
    assert!(!page.contains("<script"), "a script from a run's text");
}
