//! `suite.json`: what a run's suite was, which part of it ran here, and what shaped each result.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use futon_common::{Context, Error, Result, sha256_bytes, write_whole};
use futon_model::{Cell, FunctionReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Shard, Unit, Weights, assign};

/// The file's name, beside `report.json`.
pub const SUITE_FILE: &str = "suite.json";

/// Name and version of the file's form.
pub const SUITE_SCHEMA: &str = "futon.suite/1";

/// A suite, and which shard of it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// futon's version.
    pub futon: String,
    /// The kind of machine, as durations have it.
    pub machine: String,
    /// The shard that ran.
    pub shard: Shard,
    /// What the weights count.
    pub weighed_by: Unit,
    /// All functions of the suite, in its order.
    pub functions: Vec<Member>,
}

/// A function of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The number of the shard it belongs to.
    pub shard: u32,
    /// Its weight.
    pub weight: u64,
    /// Everything that shapes its result, or why that is not known.
    pub cell: Result<Cell, String>,
    /// SHA-256 of its entry in `report.json`, hexadecimal, once that is there.
    pub result: Option<String>,
}

/// The file. What all functions have in common is written once.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SuiteFile {
    schema: String,
    /// futon's version.
    futon: String,
    /// The kind of machine, as files of durations have it.
    machine: String,
    /// The shard that ran, as `i/n`; `1/1` is the whole suite.
    #[cfg_attr(test, schemars(with = "String"))]
    shard: Shard,
    /// What the weights count.
    weighed_by: Unit,
    /// Inputs that all functions have in common.
    common: BTreeMap<String, String>,
    /// All functions of the suite, in its order.
    functions: Vec<MemberFile>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct MemberFile {
    /// Name.
    name: String,
    /// The number of the shard it belongs to.
    shard: u32,
    /// Its weight.
    weight: u64,
    /// Digest of its cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<String>,
    /// Its own inputs, beside the common ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inputs: BTreeMap<String, String>,
    /// Why it has no cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no_cell: Option<String>,
    /// SHA-256 of its entry in `report.json`, with sorted keys and without white space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

impl Suite {
    /// The manifest of a run that begins. `functions` are all of the suite, each with its cell or the reason why there is none.
    #[must_use]
    pub fn new(
        futon: &str,
        machine: &str,
        shard: Shard,
        weights: &Weights,
        functions: Vec<(String, Result<Cell, String>)>,
    ) -> Self {
        let weighed: Vec<(&str, u64)> =
            functions.iter().map(|(name, _)| name.as_str()).zip(weights.each.iter().copied()).collect();
        let shards = assign(&weighed, shard.of());
        let functions = functions.into_iter().zip(&weights.each).zip(shards);
        Self {
            futon: futon.to_owned(),
            machine: machine.to_owned(),
            shard,
            weighed_by: weights.unit,
            functions: functions
                .map(|(((name, cell), weight), shard)| Member { name, shard, weight: *weight, cell, result: None })
                .collect(),
        }
    }

    /// Notes what the functions' results are: the run has ended.
    ///
    /// # Errors
    /// When a result cannot be written as JSON.
    pub fn close(&mut self, functions: &[FunctionReport]) -> Result<()> {
        let failed = || "cannot write a result as JSON".to_owned();
        let mut results = BTreeMap::new();
        for function in functions {
            results.insert(function.name.as_str(), result_digest(&serde_json::to_value(function).context(failed)?)?);
        }
        for member in &mut self.functions {
            member.result = results.remove(member.name.as_str());
        }
        Ok(())
    }

    /// Writes the manifest into a run's folder, completely or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(SUITE_FILE);
        let text = serde_json::to_vec_pretty(&SuiteFile::from(self));
        write_whole(&path, &text.context(|| format!("cannot write {}", path.display()))?)
    }

    /// Reads the manifest of a run's folder.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SUITE_FILE);
        let text = fs::read(&path).context(|| format!("cannot read {}", path.display()))?;
        let file: SuiteFile = serde_json::from_slice(&text).context(|| format!("{} is no suite", path.display()))?;
        if file.schema != SUITE_SCHEMA {
            return Err(Error::infra(format!(
                "{}: its schema is {:?}, not {SUITE_SCHEMA}",
                path.display(),
                file.schema
            )));
        }
        Ok(file.into())
    }
}

/// SHA-256 of a result as it is in `report.json`. Keys are sorted there (a test says so), so spaces and the order of fields do not count.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn result_digest(function: &Value) -> Result<String> {
    Ok(sha256_bytes(&serde_json::to_vec(function).context(|| "cannot write a result as JSON".into())?))
}

/// The inputs that all cells have, with the same value.
fn common(functions: &[Member]) -> BTreeMap<String, String> {
    let mut cells = functions.iter().filter_map(|member| member.cell.as_ref().ok());
    let mut common = cells.next().map(|cell| cell.inputs.clone()).unwrap_or_default();
    for cell in cells {
        common.retain(|name, value| cell.inputs.get(name) == Some(value));
    }
    common
}

impl From<&Suite> for SuiteFile {
    fn from(suite: &Suite) -> Self {
        let common = common(&suite.functions);
        let member = |member: &Member| {
            let cell = member.cell.as_ref().ok();
            let own = cell.into_iter().flat_map(|cell| &cell.inputs).filter(|(name, _)| !common.contains_key(*name));
            MemberFile {
                name: member.name.clone(),
                shard: member.shard,
                weight: member.weight,
                cell: cell.map(|cell| cell.digest.clone()),
                inputs: own.map(|(name, value)| (name.clone(), value.clone())).collect(),
                no_cell: member.cell.as_ref().err().cloned(),
                result: member.result.clone(),
            }
        };
        Self {
            schema: SUITE_SCHEMA.to_owned(),
            futon: suite.futon.clone(),
            machine: suite.machine.clone(),
            shard: suite.shard,
            weighed_by: suite.weighed_by,
            functions: suite.functions.iter().map(member).collect(),
            common,
        }
    }
}

impl From<SuiteFile> for Suite {
    fn from(file: SuiteFile) -> Self {
        let member = |member: MemberFile| {
            let cell = match member.cell {
                Some(digest) => {
                    let mut inputs = file.common.clone();
                    inputs.extend(member.inputs);
                    Ok(Cell { digest, inputs })
                }
                None => Err(member.no_cell.unwrap_or_default()),
            };
            let MemberFile { name, shard, weight, result, .. } = member;
            Member { name, shard, weight, cell, result }
        };
        Self {
            futon: file.futon,
            machine: file.machine,
            shard: file.shard,
            weighed_by: file.weighed_by,
            functions: file.functions.into_iter().map(member).collect(),
        }
    }
}
