//! What went into two runs, by name, and what changed.

use std::collections::BTreeMap;

use futon_model::{FunctionReport, Report};
use serde::Serialize;

/// An input that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputChange {
    /// Its name, as in the cell: `image NAME`, `kernel`, `param l2.size`.
    pub name: String,
    /// Value before; absent if there was none.
    pub a: Option<String>,
    /// Value after; absent if there is none.
    pub b: Option<String>,
    /// The functions for which it changed so.
    pub functions: Vec<String>,
    /// Whether these are all that were compared.
    pub all: bool,
}

/// What changed between the same functions of two reports. The names of those for which it is not known whether base image and kernel are the
/// same, because a report does not say, are the second part.
pub(crate) fn changes(
    pairs: &[(&FunctionReport, &FunctionReport)],
    a: &Report,
    b: &Report,
) -> (Vec<InputChange>, Vec<String>) {
    let mut found: BTreeMap<(String, Option<String>, Option<String>), Vec<String>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (before, after) in pairs {
        let both = cell(before).is_some() && cell(after).is_some();
        if !both {
            unknown.push(after.name.clone());
        }
        let (old, new) = (inputs(before, a, both), inputs(after, b, both));
        for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
            let (old, new) = (old.get(name), new.get(name));
            if old != new {
                let change = (name.clone(), old.cloned(), new.cloned());
                found.entry(change).or_default().push(after.name.clone());
            }
        }
    }
    let change = |((name, a, b), functions): (_, Vec<String>)| {
        let all = functions.len() == pairs.len();
        InputChange { name, a, b, functions, all }
    };
    (found.into_iter().map(change).collect(), unknown)
}

/// The inputs that a report names. Without a cell, only those by digest and those that are plain settings: a path says nothing of a file.
fn inputs(f: &FunctionReport, report: &Report, by_cell: bool) -> BTreeMap<String, String> {
    let m = &f.machine;
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut put = |name: &str, value: String| drop(all.insert(name.to_owned(), value));
    put("futon", report.futon.clone());
    put("machine program", m.version.clone());
    put("accelerator", m.accelerator.word().to_owned());
    put("vcpus", m.vcpus.to_string());
    put("memory", format!("{} MiB", m.memory_mib));
    for image in &f.digests {
        let digest = image.manifest.as_ref().map_or_else(|| "not in the store".to_owned(), ToString::to_string);
        put(&format!("image {}", image.reference.written()), digest);
    }
    if let Some(s) = &f.simulation {
        put("gem5", s.gem5.clone());
        put("system", s.system.clone());
        put("core", s.core.clone());
        put("seed", s.seed.clone());
        for (name, value) in &s.params {
            put(&format!("param {name}"), value.clone());
        }
    }
    if let (true, Some(cell)) = (by_cell, cell(f)) {
        // Said better there, or by another name.
        all.extend(cell.clone());
    }
    all
}

/// The inputs of a function's cell.
fn cell(f: &FunctionReport) -> Option<&BTreeMap<String, String>> {
    f.cell.as_ref().map(|cell| &cell.inputs)
}
