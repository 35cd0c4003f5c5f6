//! The cell of a run: everything that shapes its result, by digest.

use std::collections::BTreeMap;
use std::fs;

use calls::Sheet;
use futon_common::{Context, Error, Result, sha256_bytes, sha256_file};
use futon_functions::{Selection, calls_error};
use futon_model::{Cell, Limits, MachinePlan, Plan};
use serde_json::Value;

use super::dir::WorkDir;
use super::names::{CALLS, HANDOVER};
use super::script::script;

/// What a cell is made of.
#[derive(Debug)]
pub struct CellParts<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What the compose file says of the function.
    pub selection: &'a Selection,
    /// The run script's template.
    pub template: &'a str,
    /// The declared calls.
    pub sheet: Option<&'a Sheet>,
    /// What the machine and its files are, and the digests of files for the guest, by name.
    pub machine: BTreeMap<String, String>,
}

/// Makes the cell of a function's run.
///
/// # Errors
/// When a file that the guest is to get cannot be read.
pub fn cell(parts: CellParts<'_>) -> Result<Cell> {
    let CellParts { plan, selection, template, sheet, machine } = parts;
    let mut inputs = machine;
    inputs.insert("futon".into(), env!("CARGO_PKG_VERSION").into());
    inputs.extend(of_function(plan, &script(template, plan), &selection.compose, &selection.project.name, sheet)?);
    if let Some(digest) = selection.handover.digest()? {
        inputs.insert(FILES.into(), digest);
    }
    Ok(Cell::of(inputs))
}

/// Name of the input that is the host's files for the services.
const FILES: &str = "files of the services";

/// How the names of inputs begin of which a function has several, or none.
const SOME: [&str; 4] = ["image ", "client ", "calls", FILES];

/// Inputs that the lean guest's bundle decides when the run is prepared.
const OF_THE_BUNDLE: [&str; 5] = [FILES, "client address", "client port", "client find", "client turns"];

/// The inputs that are the function's, without the files of its services.
fn of_function(
    plan: &Plan,
    script: &str,
    compose: &str,
    project: &str,
    sheet: Option<&Sheet>,
) -> Result<BTreeMap<String, String>> {
    let mut inputs = BTreeMap::new();
    let mut add = |name: &str, value: String| inputs.insert(name.to_owned(), value);
    add("function", plan.function.clone());
    add("base", word(&plan.machine.base)?);
    add("network", word(&plan.machine.network)?);
    for image in &plan.images {
        let digest = image.manifest.as_ref().map_or_else(|| "missing".to_owned(), ToString::to_string);
        add(&format!("image {}", image.reference.written()), digest);
    }
    if let Value::Object(client) = json(&plan.client)? {
        for (name, value) in client.into_iter().filter(|(_, value)| !value.is_null()) {
            let text = value.as_str().map_or_else(|| value.to_string(), |text| anywhere(text, project));
            add(&format!("client {}", name.replace('_', " ")), text);
        }
    }
    add("limits", digest(json(&plan.limits)?.to_string()));
    add("checks and steps", digest(json(&rest(plan))?.to_string()));
    add("run script", digest(script));
    add("compose file", digest(anywhere(compose, project)));
    if let Some(sheet) = sheet {
        add("calls", digest(sheet.identity()));
    }
    Ok(inputs)
}

impl WorkDir {
    /// Checks that a cell's inputs are those of the plan and the files here, as far as they can be told from these: a folder from
    /// elsewhere may have been changed. The lean guest's bundle and the requests to the engine are not looked into.
    ///
    /// # Errors
    /// The inputs that are others.
    pub fn check_cell(&self, cell: &Cell) -> Result<()> {
        let read = |name: &str| {
            let path = self.root().join(name);
            fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))
        };
        let compose = read("functions.yaml")?;
        // The guest's file is JSON, which is YAML, too.
        let project = serde_json::from_str::<Value>(&compose).unwrap_or_default();
        let project = project.get("name").and_then(Value::as_str).unwrap_or_default();
        let sheet = self.sheet()?;
        let mut found = of_function(self.plan(), &read("run.sh")?, &compose, project, sheet.as_ref())?;
        let carried = self.root().join(HANDOVER);
        if carried.is_file() {
            found.insert(FILES.into(), format!("sha256:{}", sha256_file(&carried)?));
        }
        // The lean guest's bundle has the files of the services, and the client goes to its container's own address.
        let is_lean = self.bundle().is_some();
        let of_the_bundle = |name: &str| is_lean && OF_THE_BUNDLE.contains(&name);
        let is_other = |name: &&String| cell.inputs.get(*name) != found.get(*name) && !of_the_bundle(name);
        let of_some = cell.inputs.keys().filter(|name| SOME.iter().any(|begin| name.starts_with(begin)));
        let of_some = of_some.filter(|name| !found.contains_key(*name));
        let mut others: Vec<&str> = found.keys().chain(of_some).filter(is_other).map(String::as_str).collect();
        if let Some(sheet) = &sheet {
            let sent = sheet.encode().map_err(|e| calls_error(&e))?.to_bytes();
            if fs::read(self.root().join(CALLS)).ok().as_ref() != Some(&sent) {
                others.push("the calls as they are sent");
            }
        }
        if others.is_empty() {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{}: the run is not the one of its cell, another are: {}",
            self.plan().function,
            others.join(", ")
        ))
        .hint(
            "the job was changed, or made by an earlier futon: make it again with `futon plan -o` or `futon rerun -o`",
        ))
    }
}

/// What a plan has beside what is an input by itself; remarks are for people, and paths are this host's affair.
fn rest(plan: &Plan) -> Plan {
    let MachinePlan { kind, base, network, .. } = plan.machine;
    Plan {
        function: String::new(),
        images: Vec::new(),
        client: None,
        machine: MachinePlan {
            kind,
            base,
            vcpus: 0,
            memory_mib: 0,
            network,
            base_image: String::new(),
            kernel: String::new(),
        },
        limits: Limits::default(),
        remarks: Vec::new(),
        ..plan.clone()
    }
}

/// A text without the project's name: Compose takes it from the folder, and calls containers and networks by it.
fn anywhere(text: &str, project: &str) -> String {
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(project).filter(|_| !project.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + project.len()..]);
        let begins = !before.chars().next_back().or_else(|| out.chars().next_back()).is_some_and(of_a_word);
        let ends = !after.starts_with(|c: char| of_a_word(c) && !"-_".contains(c));
        out.push_str(before);
        out.push_str(if begins && ends { "<project>" } else { project });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn json(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).context(|| "the plan as JSON".into())
}

fn word(value: &impl serde::Serialize) -> Result<String> {
    Ok(json(value)?.as_str().unwrap_or_default().to_owned())
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", sha256_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_folder_is_left_out_where_compose_puts_it() {
        let text = "name: demo\nservices:\n  demo:\n    image: me/demos:demo\n    container_name: demo-db-1\n\
                    networks:\n  default:\n    name: demo_default\nx: my-demo demo2 'demo'\n";
        let moved = "name: <project>\nservices:\n  <project>:\n    image: me/demos:<project>\n    container_name: <project>-db-1\n\
                     networks:\n  default:\n    name: <project>_default\nx: my-demo demo2 '<project>'\n";
        assert_eq!(anywhere(text, "demo"), moved);
        assert_eq!(anywhere("a\n", ""), "a\n");
    }
}
