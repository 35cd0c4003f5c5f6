//! The cell of a run: everything that shapes its result, by digest.

use std::collections::BTreeMap;
use std::io::{self, Write};

use calls::Sheet;
use futon_common::{Context, Result, sha256_bytes};
use futon_functions::Selection;
use futon_model::{Cell, Limits, MachinePlan, Plan};
use serde_json::Value;
use sha2::{Digest, Sha256};

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
    let name_of_project = selection.project.name.as_str();
    let mut inputs = machine;
    let mut add = |name: &str, value: String| inputs.insert(name.to_owned(), value);
    add("futon", env!("CARGO_PKG_VERSION").to_owned());
    add("function", plan.function.clone());
    add("base", word(&plan.machine.base)?);
    add("network", word(&plan.machine.network)?);
    for image in &plan.images {
        let digest = image.manifest.as_ref().map_or_else(|| "missing".to_owned(), ToString::to_string);
        add(&format!("image {}", image.reference.written()), digest);
    }
    if let Value::Object(client) = json(&plan.client)? {
        for (name, value) in client.into_iter().filter(|(_, value)| !value.is_null()) {
            let text = value.as_str().map_or_else(|| value.to_string(), |text| anywhere(text, name_of_project));
            add(&format!("client {}", name.replace('_', " ")), text);
        }
    }
    add("limits", digest(json(&plan.limits)?.to_string()));
    add("checks and steps", digest(json(&rest(plan))?.to_string()));
    add("script", digest(template));
    add("compose file", digest(anywhere(&selection.compose, name_of_project)));
    if !selection.handover.is_empty() {
        let mut hash = Hashing(Sha256::new());
        selection.handover.write(&mut hash)?;
        add("files of the services", format!("sha256:{}", hex::encode(hash.0.finalize())));
    }
    if let Some(sheet) = sheet {
        add("calls", digest(sheet.identity()));
    }
    Ok(Cell::of(inputs))
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

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
