//! The cell of a function's run, before it runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use calls::Sheet;
use futon_cli::ClientArgs;
use futon_common::Result;
use futon_functions::Selection;
use futon_model::{Cell, Plan};
use futon_resources::Digests;
use futon_workdir::CellParts;
use image_store::ImageStore;

use super::places::tools;
use super::prepared::Prepared;
use super::project::Project;

/// Words of the kernel's command line by which a machine suits its host: they are no part of what is tested.
const OF_THE_HOST: [&str; 3] = ["nohz=off", "highres=off", "isolcpus=1"];

impl Project {
    /// Everything that shapes a function's result. Nothing is written.
    ///
    /// # Errors
    /// When the function cannot be planned, or a file cannot be read.
    pub fn cell(
        &self,
        name: &str,
        client: &ClientArgs,
        prepared: &Prepared,
        store: Option<&Arc<ImageStore>>,
    ) -> Result<Cell> {
        let (plan, selection) = self.plan(name, client, prepared, store)?;
        let sheet = self.sheet(&selection, client)?;
        self.cell_of(&plan, &selection, sheet.as_deref(), prepared)
    }

    /// The same for a plan that was made already.
    pub(crate) fn cell_of(
        &self,
        plan: &Plan,
        selection: &Selection,
        sheet: Option<&Sheet>,
        prepared: &Prepared,
    ) -> Result<Cell> {
        let parts =
            CellParts { plan, selection, template: self.template(prepared), sheet, machine: self.machine(prepared)? };
        futon_workdir::cell(parts)
    }

    fn machine(&self, prepared: &Prepared) -> Result<BTreeMap<String, String>> {
        let mut inputs = machine_inputs(prepared, &self.resources, &self.digests)?;
        if !self.vcpus_given && !self.simulated {
            // What is left to the host differs from host to host.
            inputs.insert("vcpus".into(), "the host's choice".into());
        }
        for (name, path) in &self.files {
            inputs.insert(file_input(name), self.digests.of(path)?);
        }
        Ok(inputs)
    }
}

/// Name of the input that is a file of the user's.
pub fn file_input(name: &str) -> String {
    format!("file {name}")
}

/// The machine's part of a cell, and the files that every guest gets.
///
/// # Errors
/// When one of the files cannot be read.
pub fn machine_inputs(prepared: &Prepared, resources: &Path, digests: &Digests) -> Result<BTreeMap<String, String>> {
    let machine = prepared.machine.inputs();
    let mut inputs = machine.values;
    if let Some(line) = inputs.get_mut("kernel command line") {
        let words: Vec<&str> = line.split_whitespace().filter(|word| !OF_THE_HOST.contains(word)).collect();
        *line = words.join(" ");
    }
    let tools = tools(resources);
    let mut files = machine.files;
    files.insert("futon-guest".into(), tools.futon_guest);
    files.insert("test-client".into(), tools.test_client);
    files.extend(prepared.seccomp.iter().map(|profile| ("seccomp profile".to_owned(), profile.clone())));
    for (name, path) in files {
        inputs.insert(name, digests.of(&path)?);
    }
    Ok(inputs)
}
