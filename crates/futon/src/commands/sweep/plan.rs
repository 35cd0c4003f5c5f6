//! From a sweep's file to cells: what `futon test` would run, asked of the same code that runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::CommandFactory;
use futon_cli::{ChosenArgs, Cli, ProjectArgs, TestArgs};
use futon_common::{Error, Result};
use futon_functions::Compose;
use futon_sweep::{Flag, Inputs, KnownFlag, Machine, Plan, Source, Spec};
use futon_terminal::Ui;
use image_store::ImageStore;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use futon_prepare::machine::{Purpose, prepare};
use futon_prepare::prepared::Prepared;
use futon_prepare::project::{Project, store_for};

/// Flags of `futon test` that a sweep cannot use, and why.
const REFUSED: [(&str, &str); 18] = [
    ("out", "each cell has a folder of its own"),
    ("json", "`futon sweep export` has the results"),
    ("junit", "`futon sweep export` has the results"),
    ("list", "the key `functions` names the functions"),
    ("all", "write functions = \"all\""),
    ("jobs", "it is an option of `futon sweep`"),
    ("shard", "cells are divided by their executor"),
    ("timings", "cells are divided by their executor"),
    ("record-timings", "`cells.csv` has the times"),
    ("fail-fast", "cells do not depend on each other"),
    ("retries", "the key `retries` is for cells without a verdict; a verdict is never made again"),
    ("seed", "the key `seeds` names the seeds"),
    ("sim-seed", "the key `seeds` names the seeds"),
    ("resources", "it is an option of `futon sweep`"),
    ("accept", "it writes into the project"),
    ("quiet", "it changes no cell"),
    ("help", "it changes no cell"),
    ("version", "it changes no cell"),
];

/// The flags of `futon test`.
pub fn flags() -> Vec<KnownFlag> {
    let mut cli = Cli::command();
    cli.build();
    let test = cli.find_subcommand("test");
    let arguments = test.into_iter().flat_map(clap::Command::get_arguments);
    let known = arguments.filter_map(|argument| {
        let name = argument.get_long()?;
        Some(KnownFlag {
            name: name.to_owned(),
            takes_value: argument.get_action().takes_values(),
            refused: REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why),
        })
    });
    known.collect()
}

/// Makes the plan of a sweep.
pub fn plan(spec: &Spec, resources: &Path, cancel: &CancellationToken) -> Result<Plan> {
    let switches: Vec<String> = flags().into_iter().filter(|flag| !flag.takes_value).map(|flag| flag.name).collect();
    let mut source = Asker { resources, cancel, composes: BTreeMap::new(), machines: BTreeMap::new() };
    let all = if spec.functions == futon_sweep::Functions::All { source.all(&spec.flags)? } else { Vec::new() };
    Plan::make(spec, &all, &switches, &mut source)
}

/// Flags as `futon test` reads them.
pub fn test_args(function: &str, words: &[String]) -> Result<TestArgs> {
    let all: Vec<String> = words.iter().cloned().chain([function.to_owned()]).collect();
    Cli::test_args(&all).map_err(|why| {
        Error::usage(format!("futon test {}: {why}", all.join(" "))).hint("`futon test --help` has all flags")
    })
}

/// Asks for inputs.
struct Asker<'a> {
    resources: &'a Path,
    cancel: &'a CancellationToken,
    /// By the flags that name them.
    composes: BTreeMap<String, Compose>,
    /// Machines that were prepared, by the flags of all that is no seed.
    machines: BTreeMap<Vec<String>, (Prepared, Arc<ImageStore>)>,
}

impl Asker<'_> {
    /// All functions that can be called.
    fn all(&mut self, flags: &[Flag]) -> Result<Vec<String>> {
        let named = flags.iter().filter(|flag| flag.name == "functions");
        let words: Vec<String> = named.flat_map(|f| f.values.iter().map(|v| format!("--functions={v}"))).collect();
        let args = Cli::test_args(&words).map_err(Error::usage)?;
        let compose = self.compose(&args.project)?;
        let project = Project::of(compose, &args.project, &args.client, &args.machine, self.resources)?;
        project.names(&[], &ChosenArgs { all: true, ..ChosenArgs::default() }, &args.client)
    }

    fn compose(&mut self, args: &ProjectArgs) -> Result<Compose> {
        let key = format!("{:?}", args.functions);
        if let Some(known) = self.composes.get(&key) {
            return Ok(known.clone());
        }
        let compose = Project::compose(args, self.resources)?;
        self.composes.insert(key, compose.clone());
        Ok(compose)
    }
}

impl Source for Asker<'_> {
    fn inputs(&mut self, function: &str, words: &[String]) -> Result<(Inputs, Machine)> {
        let args = test_args(function, words)?;
        let compose = self.compose(&args.project)?;
        let project = Project::of(compose, &args.project, &args.client, &args.machine, self.resources)?;
        let names = project.names(&[function.to_owned()], &ChosenArgs::default(), &args.client)?;
        if futon_prepare::machine::has_lean_guest(&args.machine) {
            project.lean_can(&names)?;
        }
        // A client's seed is no part of the machine.
        let key: Vec<String> = words.iter().filter(|word| !word.starts_with("--seed=")).cloned().collect();
        if !self.machines.contains_key(&key) {
            // As it is for a run that boots from nothing: a warm base changes no result. What is said about it was said before.
            let mut ui = Ui::new(true, true);
            let ready = prepare(&args.machine, self.resources, &project.config, Purpose::Run, &mut ui, self.cancel);
            let prepared = tokio::task::block_in_place(|| Handle::current().block_on(ready))?;
            let store = Arc::new(store_for(self.resources, &prepared)?);
            self.machines.insert(key.clone(), (prepared, store));
        }
        let Some((prepared, store)) = self.machines.get(&key) else {
            return Err(Error::infra("the machine is lost"));
        };
        let cell = project.cell(function, &args.client, prepared, Some(store))?;
        let report = prepared.machine.report();
        let machine = Machine { cores: report.vcpus.max(1), memory_mib: report.memory_mib.into() };
        Ok((cell.inputs, machine))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_the_command_and_what_is_refused_is_there() {
        let flags = flags();
        let names: Vec<&str> = flags.iter().map(|flag| flag.name.as_str()).collect();
        for (name, _) in REFUSED.iter().filter(|(name, _)| !matches!(*name, "help" | "version" | "quiet")) {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        let flag = |name: &str| flags.iter().find(|flag| flag.name == name).unwrap();
        assert!(flag("param").takes_value && !flag("cold").takes_value && flag("system").refused.is_none());
    }

    #[test]
    fn words_that_are_no_flags_are_named_in_one_line() {
        let error = test_args("f", &["--memory=lots".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("invalid value 'lots' for '--memory <MIB>'") && error.lines().count() == 1, "{error}");
    }
}
