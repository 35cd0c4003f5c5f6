//! A suite before it runs: what its functions weigh, which shard they are in, and the manifest that says so.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futon_cells::{Known, SUITE_FILE, Shard, Suite, Timings, Weights, assign, weigh};
use futon_cli::{ClientArgs, MachineArgs, On, ShardArgs};
use futon_common::text::one_line;
use futon_common::{Error, Result, require_writable};
use futon_model::{Cell, FunctionReport};
use futon_terminal::Ui;
use image_store::ImageStore;

use super::machine::has_lean_guest;
use super::packages::RUN_PACKAGES;
use super::places::store;
use super::prepared::Prepared;
use super::project::Project;

/// A suite that is weighed and cut.
#[derive(Debug)]
pub struct SuiteParts {
    /// The kind of machine, as files of durations have it.
    pub kind: String,
    /// The shard that is wanted.
    pub shard: Shard,
    /// Weights of all functions.
    pub weights: Weights,
    /// All functions.
    functions: Vec<Function>,
}

/// A function of the suite.
#[derive(Debug)]
struct Function {
    /// As the user named it.
    name: String,
    /// As reports call it.
    called: String,
    /// The number of its shard.
    shard: u32,
}

/// The kind of a machine: what can be said of it before a run, and is the same on all machines that share a suite.
pub fn kind(args: &MachineArgs) -> String {
    let base = if has_lean_guest(args) { "lean" } else { "docker" };
    match args.on {
        On::Qemu => format!("qemu/{base}"),
        On::Gem5 => format!("gem5/{base}/{}", args.gem5.cpu),
        On::Fake(_) => format!("fake/{base}"),
    }
}

impl SuiteParts {
    /// Weighs the functions of a suite, and cuts it.
    ///
    /// # Errors
    /// When the machine has the lean guest, which does not support one of them, a file of durations is malformed, or the store cannot be
    /// read.
    pub fn new(
        project: &Project,
        names: &[String],
        args: &ShardArgs,
        machine: &MachineArgs,
        resources: &Path,
        ui: &Ui,
    ) -> Result<Self> {
        if has_lean_guest(machine) {
            project.lean_can(names)?;
        }
        let kind = kind(machine);
        let timings = timings(args.timings.as_deref(), ui)?;
        let store = store(resources)?;
        let mut called = Vec::new();
        for name in names {
            called.push((project.selection(name)?.name.clone(), size(project, name, &store)?));
        }
        let known: Vec<Known<'_>> = called.iter().map(|(name, bytes)| Known { name, bytes: *bytes }).collect();
        let weights = weigh(&known, timings.as_ref(), &kind);
        let shard = args.shard.unwrap_or(Shard::WHOLE);
        let mut parts = Self { kind, shard, weights, functions: Vec::new() };
        parts.functions = names
            .iter()
            .zip(called)
            .map(|(name, (called, _))| Function { name: name.clone(), called, shard: 1 })
            .collect();
        parts.cut(shard.of());
        Ok(parts)
    }

    /// Cuts the suite into so many shards.
    pub fn cut(&mut self, shards: u32) {
        let assigned = assign(&self.weighed(), shards);
        for (function, shard) in self.functions.iter_mut().zip(assigned) {
            function.shard = shard;
        }
    }

    /// Names, as reports have them, and weights of all functions.
    pub fn weighed(&self) -> Vec<(&str, u64)> {
        self.functions.iter().map(|function| function.called.as_str()).zip(self.weights.each.iter().copied()).collect()
    }

    /// The number of functions in the whole suite.
    pub fn count(&self) -> usize {
        self.functions.len()
    }

    /// The functions of a shard as the user named them, in the suite's order, with their weights.
    pub fn of(&self, shard: u32) -> Vec<(&str, u64)> {
        let all = self.functions.iter().zip(&self.weights.each);
        all.filter(|(function, _)| function.shard == shard).map(|(f, weight)| (f.name.as_str(), *weight)).collect()
    }

    /// The functions of this shard: names and weights.
    pub fn own(&self) -> (Vec<String>, Vec<u64>) {
        self.of(self.shard.index()).into_iter().map(|(name, weight)| (name.to_owned(), weight)).unzip()
    }

    /// The manifest of a run that begins.
    ///
    /// # Errors
    /// When a function's selection cannot be made.
    pub fn manifest(
        &self,
        project: &Project,
        prepared: &Prepared,
        client: &ClientArgs,
        store: &Arc<ImageStore>,
    ) -> Result<Suite> {
        let mut cells = Vec::new();
        for function in &self.functions {
            let cell = if project.must_ask(&*project.selection(&function.name)?, client)? {
                Err("the schema of its calls is not known before it has run".to_owned())
            } else {
                project.cell(&function.name, client, prepared, Some(store)).map_err(|e| one_line(&e.to_string()))
            };
            cells.push((function.called.clone(), cell));
        }
        Ok(self.suite(cells))
    }

    /// The manifest of a shard without functions, for which no machine is made.
    pub fn empty_manifest(&self) -> Suite {
        let why = || Err("this shard has no function, and made no machine".to_owned());
        self.suite(self.functions.iter().map(|function| (function.called.clone(), why())).collect())
    }

    fn suite(&self, cells: Vec<(String, Result<Cell, String>)>) -> Suite {
        Suite::new(env!("CARGO_PKG_VERSION"), &self.kind, self.shard, &self.weights, cells)
    }
}

/// Refuses to record half a suite, and a file that could not be written when all is done.
///
/// # Errors
/// When durations of one shard are to be recorded, or the file is malformed or in no folder.
pub fn check_recording(args: &ShardArgs) -> Result<()> {
    let Some(file) = &args.record_timings else { return Ok(()) };
    if let Some(shard) = args.shard.filter(|shard| *shard != Shard::WHOLE) {
        let file = file.display();
        return Err(Error::usage(format!(
            "--record-timings: shard {shard} has the durations of only a part of the suite"
        ))
        .hint(format!("record those of all shards at once: futon merge DIR… --out DIR --record-timings {file}")));
    }
    check_file(file)
}

/// Refuses a file that durations could not be put into.
///
/// # Errors
/// When it is malformed, is in no folder or may not be written.
pub fn check_file(file: &Path) -> Result<()> {
    require_writable("--record-timings", file)?;
    Timings::read(file).map(drop)
}

/// Puts the durations of what passed into a file.
///
/// # Errors
/// When the file cannot be read or written.
pub fn record(file: &Path, kind: &str, functions: &[FunctionReport]) -> Result<()> {
    // How long a function fails says nothing about how long it takes.
    let passed = functions.iter().filter(|function| function.verdict.is_pass());
    let durations: Vec<(&str, u64)> = passed.map(|function| (function.name.as_str(), function.duration_ms)).collect();
    Timings::record(file, kind, &durations)
}

/// Writes the manifest of a run that begins. A report of an earlier run in this folder is not this one's.
///
/// # Errors
/// When the folder cannot be written.
pub fn open_run(out: &Path, suite: Option<&Suite>) -> Result<()> {
    for old in ["report.json", "report.html", SUITE_FILE, RUN_PACKAGES] {
        let _ = fs::remove_file(out.join(old));
    }
    suite.map_or(Ok(()), |suite| suite.write(out))
}

/// Notes in the manifest what a run's results are.
///
/// # Errors
/// When the folder cannot be written.
pub fn close_run(out: &Path, mut suite: Suite, functions: &[FunctionReport]) -> Result<()> {
    suite.close(functions)?;
    suite.write(out)
}

/// Durations of earlier runs, from a file that need not be there yet.
fn timings(path: Option<&Path>, ui: &Ui) -> Result<Option<Timings>> {
    let Some(path) = path else { return Ok(None) };
    let found = Timings::read(path)?;
    if found.is_none() {
        ui.line(&format!("there are no durations in {} yet: the sizes of images are the weights", path.display()));
    }
    Ok(found)
}

/// Bytes of a function's images, as far as the store has them. Of an image with variants the same one counts whatever processor is here: all
/// machines must come to the same shards.
fn size(project: &Project, name: &str, store: &ImageStore) -> Result<u64> {
    let selection = project.selection(name)?;
    let images = selection.services().map(|service| &service.image);
    Ok(images.filter_map(|image| store.resolve(image).ok().flatten()).map(|image| image.size()).sum())
}
