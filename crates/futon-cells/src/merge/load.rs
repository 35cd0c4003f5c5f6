//! One run, as it is on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use futon_common::Error;
use futon_model::{REPORT_SCHEMA, Report};
use serde_json::Value;

use super::problem::{Place, Problem};
use crate::suite::result_digest;
use crate::{SUITE_FILE, Suite};

/// The report's name.
pub(super) const REPORT_FILE: &str = "report.json";

/// A run that has ended.
pub(super) struct Run {
    pub folder: PathBuf,
    pub suite: Suite,
    pub report: Report,
    /// Digests of the report's entries, in their order.
    pub digests: Vec<String>,
}

impl Run {
    pub fn place(&self) -> Place {
        Place { folder: self.folder.clone(), shard: Some(self.suite.shard) }
    }
}

/// Reads a run, or says why it is none.
pub(super) fn run(folder: &Path) -> Result<Run, Box<Problem>> {
    let unreadable =
        |shard, why: String| Box::new(Problem::Unreadable { at: Place { folder: folder.to_owned(), shard }, why });
    if !folder.join(SUITE_FILE).is_file() {
        return Err(Box::new(Problem::Old { at: Place { folder: folder.to_owned(), shard: None } }));
    }
    let suite = Suite::read(folder).map_err(|e| unreadable(None, e.to_string()))?;
    let shard = Some(suite.shard);
    let path = folder.join(REPORT_FILE);
    // The manifest is closed after the report is written: without its results, the report is not of this run.
    let closed = suite.functions.iter().all(|member| member.shard != suite.shard.index() || member.result.is_some());
    if !path.is_file() || !closed {
        return Err(Box::new(Problem::NotEnded { at: Place { folder: folder.to_owned(), shard } }));
    }
    let text = fs::read(&path).map_err(|e| unreadable(shard, format!("cannot read {REPORT_FILE}: {e}")))?;
    let malformed = |e: serde_json::Error| unreadable(shard, format!("{REPORT_FILE} is no report: {e}"));
    let value: Value = serde_json::from_slice(&text).map_err(malformed)?;
    // Of the entries as they are in the file: they may have more than this version of futon knows.
    let entries = value["functions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let digests = entries.iter().map(result_digest).collect::<Result<Vec<_>, Error>>();
    let digests = digests.map_err(|e| unreadable(shard, e.to_string()))?;
    let report: Report = serde_json::from_value(value).map_err(malformed)?;
    if report.schema != REPORT_SCHEMA {
        return Err(unreadable(
            shard,
            format!("{REPORT_FILE}: its schema is {:?}, not {REPORT_SCHEMA}", report.schema),
        ));
    }
    Ok(Run { folder: folder.to_owned(), suite, report, digests })
}
