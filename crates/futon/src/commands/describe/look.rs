//! The run that finds out what a function offers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futon_common::{Error, Result};
use futon_harness::report::write_report;
use futon_model::{FunctionReport, MachineKind};
use futon_terminal::Ui;
use futon_workdir::FolderLock;
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

use crate::commands::one_run::run_beside;
use futon_prepare::described::{Described, Key, keep};
use futon_prepare::prepared::Prepared;
use futon_prepare::project::Project;

/// The result of a run.
pub enum Look {
    /// What the function offers.
    Seen(Described),
    /// Why it showed nothing.
    Failed(Box<FunctionReport>),
}

/// What is known about a function besides its image.
pub enum Told {
    /// Nothing was run.
    Still,
    /// What it offers.
    Seen {
        /// All of it.
        described: Described,
        /// Whether it was kept from an earlier time.
        kept: bool,
    },
    /// Why that is not known.
    Failed(Box<FunctionReport>),
}

/// What all runs of one call share.
pub struct Looks<'a> {
    /// The functions.
    pub project: &'a Project,
    /// Where they run.
    pub prepared: &'a Prepared,
    /// Where resources are.
    pub resources: &'a Path,
    /// Their images.
    pub store: &'a Arc<ImageStore>,
    /// Ends it.
    pub cancel: &'a CancellationToken,
}

/// Runs a function once, observes it, and stores the description.
pub async fn look(looks: &Looks<'_>, name: &str, dir: &Path, ui: &Ui) -> Result<Look> {
    let Looks { project, prepared, resources, store, cancel } = *looks;
    if prepared.machine.report().kind == MachineKind::Gem5 {
        return Err(Error::usage(format!("{name}: what it offers is not known yet, and gem5 cannot find out"))
            .hint(format!("run `futon describe {name} --base lean` once, which uses QEMU and saves the result")));
    }
    let _lock = FolderLock::take(dir, "futon describe")?;
    let workdir = project.describing_directory(name, dir, prepared, resources, store)?;
    let selection = project.selection(name)?;
    let key = Key::of(&selection, store)?;
    let mut report =
        run_beside(&workdir, &*prepared.machine, Some(Arc::clone(store)), None, ui, cancel.clone()).await?;
    // The disk is of no use after the run; the results stay.
    let _ = fs::remove_file(workdir.disk());
    if let Some(bundle) = workdir.bundle() {
        let _ = fs::remove_file(bundle);
    }
    let seen = if report.verdict.is_pass() { workdir.seen(&workdir.read_events()?) } else { None };
    let (Some(seen), Some(key)) = (seen, key) else {
        report.remarks.push("this run only asked the function what it offers".to_owned());
        if report.verdict.is_pass() {
            return Err(Error::infra(format!("{name}: the description did not arrive from the guest"))
                .hint(format!("the run's events are in {}", report.folder)));
        }
        return Ok(Look::Failed(Box::new(report)));
    };
    let described = Described::new(&key, &selection, seen);
    if let Err(error) = keep(&described, &key, resources) {
        ui.line(&format!("the description of {name} is not saved: {error}"));
    }
    Ok(Look::Seen(described))
}

/// The report of a run that only describes, for people who want to see why it failed.
pub fn write(folder: &Path, report: &FunctionReport, started: std::time::SystemTime) -> Result<()> {
    let took = started.elapsed().unwrap_or_default();
    write_report(folder, &futon_harness::report::report(vec![report.clone()], started, took))
}
