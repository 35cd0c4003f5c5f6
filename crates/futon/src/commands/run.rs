//! `futon run`: the run of one working directory.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futon_common::{Context, Result};
use futon_harness::report::{RunMeta, function_report, report, write_report};
use futon_harness::run::{RunSetup, run as run_engine};
use futon_machine::Machine;
use futon_model::{Base, ExitCode, FunctionReport, MachineKind};
use futon_workdir::{FolderLock, WorkDir};
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

use super::given::settings;
use super::machine::{Purpose, prepare};
use super::project::store_for;
use super::stored::recall;
use crate::cli::{BaseArg, On, RunArgs};
use crate::ui::Ui;

/// Runs and judges what a working directory holds.
pub async fn run(args: &RunArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    if let Some(job) = &args.job {
        return super::job::run_job(job, args, ui, cancel).await;
    }
    let workdir = WorkDir::open(&args.dir)?;
    let _lock = FolderLock::take(&args.dir, "futon run")?;
    let resources = &args.resources.resources;
    let mut config = settings(None)?;
    // The plan says which machine it was made for; flags may still say otherwise.
    config.machine.vcpus = Some(workdir.plan().machine.vcpus);
    config.machine.memory_mib = workdir.plan().machine.memory_mib;
    config.machine.network = workdir.plan().machine.network;
    let mut machine = recall(&args.dir, args.machine.clone())?;
    if workdir.plan().machine.base == Base::Docker {
        // On gem5 the lean guest is the default: this one has to be said.
        machine.base = BaseArg::Docker;
        machine.explicit.insert("base".to_owned());
    } else {
        machine.base = BaseArg::Lean;
    }
    if workdir.plan().machine.kind == MachineKind::Gem5 {
        machine.on = On::Gem5;
    }
    super::machine::apply(&machine, &mut config);
    let prepared = prepare(&machine, resources, &config, Purpose::Run, ui, &cancel).await?;
    if workdir.events().exists() {
        // Every run begins with the base image, not with what the last one left on the disk.
        let _ = fs::remove_file(workdir.disk());
    }
    let started = SystemTime::now();
    let function =
        run_one(&workdir, &*prepared.machine, Some(Arc::new(store_for(resources, &prepared)?)), ui, cancel).await?;
    let report = report(vec![function], started, started.elapsed().unwrap_or_default());
    write_report(&workdir.results(), &report)?;
    ui.result(&report)?;
    super::gem5::gather(&report.functions, &workdir.results(), ui)?;
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}

/// Makes one run with progress, and judges it.
pub async fn run_one(
    workdir: &WorkDir,
    machine: &dyn Machine,
    store: Option<Arc<ImageStore>>,
    ui: &mut Ui,
    cancel: CancellationToken,
) -> Result<FunctionReport> {
    ui.start(&workdir.plan().function);
    let function = run_beside(workdir, machine, store, ui, cancel).await;
    ui.stop();
    function
}

/// Makes one run, perhaps beside others whose progress is shown together, and judges it.
pub async fn run_beside(
    workdir: &WorkDir,
    machine: &dyn Machine,
    store: Option<Arc<ImageStore>>,
    ui: &Ui,
    cancel: CancellationToken,
) -> Result<FunctionReport> {
    let name = workdir.plan().function.clone();
    ui.begin(workdir.plan());
    let mut sink = |event: &futon_model::Event| ui.event(&name, event);
    let record = run_engine(RunSetup { plan: workdir.plan(), workdir, machine, store, cancel, sink: &mut sink }).await;
    ui.forget(&name);
    let meta = RunMeta {
        machine: record.machine,
        remarks: record.remarks,
        duration: record.duration,
        simulation: record.simulation,
    };
    save_meta(workdir, &meta)?;
    let function = function_report(workdir, &record.events, &meta);
    keep_results_log(workdir, &record.events);
    Ok(function)
}

/// What `futon check` must know beside the events.
pub fn save_meta(workdir: &WorkDir, meta: &RunMeta) -> Result<()> {
    let path = workdir.results().join("run.json");
    let text = serde_json::to_vec_pretty(meta).context(|| format!("cannot write {}", path.display()))?;
    // Disk full: the verdict says so already, and check will say that there is no run.
    let _ = std::fs::write(path, text);
    Ok(())
}

/// The results log under its own name, beside the uploads: the one that came with the token.
fn keep_results_log(workdir: &WorkDir, events: &[futon_model::Event]) {
    if let Some(text) = workdir.witness_uploads(events, |name| name == "results.log" || name == "test.log").last() {
        let target: &Path = &workdir.results().join("results.log");
        // A copy for people; the upload itself is kept.
        let _ = std::fs::write(target, text);
    }
}
