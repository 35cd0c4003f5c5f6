//! `futon run`: the run of one working directory.

use std::fs;
use std::sync::Arc;

use futon_cli::{MachineArgs, On, RunArgs};
use futon_common::Result;
use futon_model::{ExitCode, MachineKind};
use futon_terminal::Ui;
use futon_workdir::{FolderLock, WorkDir};
use tokio_util::sync::CancellationToken;

use super::one_run::run_alone;
use futon_prepare::given::settings;
use futon_prepare::machine::{Purpose, as_planned, ask_for, prepare};
use futon_prepare::project::store_for;
use futon_prepare::remembered::recall;

/// Runs and judges what a working directory holds.
pub async fn run(args: &RunArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    if let Some(job) = &args.job {
        return super::job::run_job(job, args, ui, cancel).await;
    }
    let workdir = WorkDir::open(&args.dir)?;
    let _lock = FolderLock::take(&args.dir, "futon run")?;
    let resources = &args.resources.resources;
    let mut config = settings(&args.machine, None)?;
    // Flags may still say otherwise.
    as_planned(&workdir.plan().machine, &mut config);
    let machine = of_the_run(&workdir, args.machine.clone())?;
    futon_prepare::machine::apply(&machine, &mut config);
    let prepared = prepare(&machine, resources, &config, Purpose::Run, ui, &cancel).await?;
    if workdir.events().exists() {
        // Every run begins with the base image, not with what the last one left on the disk.
        let _ = fs::remove_file(workdir.disk());
    }
    let store = Some(Arc::new(store_for(resources, &prepared)?));
    let report = run_alone(&workdir, &*prepared.machine, store, &workdir.results(), ui, cancel).await?;
    ui.result(&report)?;
    super::rows::gather(&report.functions, &workdir.results(), ui)?;
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}

/// The machine's flags of the run that a working directory was made for; those that are given on the command line win.
///
/// # Errors
/// When the stored flags cannot be read.
pub fn of_the_run(workdir: &WorkDir, given: MachineArgs) -> Result<MachineArgs> {
    let mut machine = recall(workdir.root(), given)?;
    let plan = &workdir.plan().machine;
    ask_for(plan.base, &mut machine);
    if plan.kind == MachineKind::Gem5 {
        machine.on = On::Gem5;
    }
    Ok(machine)
}
