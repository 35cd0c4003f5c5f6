//! The merged results, once nothing speaks against them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use futon_common::{Error, Result};
use futon_model::FunctionReport;

use super::load::Run;
use crate::{Member, Shard, Suite};

/// Runs that are one.
#[derive(Debug)]
pub struct Merged {
    /// All results, in the suite's order. The folders are absolute paths: where the logs are now, or where they were.
    pub functions: Vec<FunctionReport>,
    /// The suite, as if one run had had all of it; still to be closed over the results.
    pub suite: Suite,
    /// Start of the first run, RFC 3339.
    pub started: String,
    /// Length of the longest run, milliseconds.
    pub duration_ms: u64,
    /// Processor time of futon in all of them, milliseconds.
    pub cpu_ms: u64,
    /// Folders of the runs that were merged.
    pub runs: Vec<PathBuf>,
    /// Functions whose result was there more than once, and the same each time.
    pub repeated: Vec<String>,
}

/// Joins runs that were checked.
pub(super) fn join(runs: Vec<Run>) -> Result<Merged> {
    let started = runs.iter().map(|run| run.report.started.clone()).min().unwrap_or_default();
    let duration_ms = runs.iter().map(|run| run.report.duration_ms).max().unwrap_or_default();
    let cpu_ms = runs.iter().map(|run| run.report.cpu_ms).sum();
    let folders = runs.iter().map(|run| run.folder.clone()).collect();
    let (mut results, mut repeated) = (HashMap::new(), Vec::new());
    let mut suite: Option<Suite> = None;
    let mut cells = BTreeMap::new();
    for run in runs {
        for mut function in run.report.functions {
            if results.contains_key(&function.name) {
                repeated.push(function.name);
                continue;
            }
            if !function.folder.is_empty() {
                // Without its logs, it is still called what it was.
                let was = || run.folder.join(&function.folder).display().to_string();
                function.folder = results_folder(&run.folder, &function).unwrap_or_else(was);
            }
            results.insert(function.name.clone(), function);
        }
        for member in &run.suite.functions {
            if let Ok(cell) = &member.cell {
                cells.entry(member.name.clone()).or_insert_with(|| cell.clone());
            }
        }
        suite.get_or_insert(run.suite);
    }
    let mut suite = suite.ok_or_else(|| Error::infra("there is no run"))?;
    suite.shard = Shard::WHOLE;
    let functions: Vec<FunctionReport> =
        suite.functions.iter().filter_map(|member| results.remove(&member.name)).collect();
    for (member, function) in suite.functions.iter_mut().zip(&functions) {
        let cell = function.cell.clone().or_else(|| cells.remove(&member.name));
        *member =
            Member { shard: 1, result: None, cell: cell.map_or_else(|| member.cell.clone(), Ok), ..member.clone() };
    }
    Ok(Merged { functions, suite, started, duration_ms, cpu_ms, runs: folders, repeated })
}

/// Where a function's logs are now: the report has their folder as it was called on the machine that ran it, `…/NAME/results`, or relative to
/// itself if it is a merged one.
fn results_folder(run: &Path, function: &FunctionReport) -> Option<String> {
    let written = Path::new(&function.folder);
    let below = if written.is_relative() {
        written.to_owned()
    } else {
        let last: Vec<Component<'_>> = written.components().collect();
        let last = &last[last.len().checked_sub(2)?..];
        // From another machine: it must not lead elsewhere.
        let plain = last.iter().all(|part| matches!(part, Component::Normal(_)));
        plain.then(|| last.iter().collect::<PathBuf>())?
    };
    let folder = fs::canonicalize(run.join(below)).ok().filter(|folder| folder.is_dir())?;
    Some(folder.to_str()?.to_owned())
}

/// The path from one folder to another, both absolute.
#[must_use]
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let same = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = from[same..].iter().map(|_| Component::ParentDir);
    up.chain(to[same..].iter().copied()).collect()
}
