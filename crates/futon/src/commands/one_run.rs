//! One run of a function, shown while it goes on, and judged.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futon_common::{Context, Result};
use futon_harness::report::{RunMeta, function_report, report, write_report};
use futon_harness::run::{RunSetup, run as run_engine};
use futon_machine::Machine;
use futon_model::{Event, FunctionReport, Report, Turn};
use futon_terminal::{Told, Ui};
use futon_workdir::WorkDir;
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

/// Makes the only run of a call and writes its report into `folder`.
pub async fn run_alone(
    workdir: &WorkDir,
    machine: &dyn Machine,
    store: Option<Arc<ImageStore>>,
    folder: &Path,
    ui: &mut Ui,
    cancel: CancellationToken,
) -> Result<Report> {
    let started = SystemTime::now();
    let names = [workdir.plan().function.clone()];
    ui.tell(&Told::RunStarted { functions: &names, machine: &machine.report() });
    let function = run_one(workdir, machine, store, ui, cancel).await?;
    let report = report(vec![function], started, started.elapsed().unwrap_or_default());
    write_report(folder, &report)?;
    ui.tell(&Told::RunEnded { report: &report, folder });
    Ok(report)
}

/// Makes one run with progress, and judges it. Who listens hears of all but the report, which the caller writes.
pub async fn run_one(
    workdir: &WorkDir,
    machine: &dyn Machine,
    store: Option<Arc<ImageStore>>,
    ui: &mut Ui,
    cancel: CancellationToken,
) -> Result<FunctionReport> {
    let turn = Turn::first(&workdir.plan().function);
    ui.start(&turn.function);
    let function = run_beside(workdir, machine, store, Some(&turn), ui, cancel).await;
    if let Ok(report) = &function {
        ui.tell(&Told::Ended { turn: &turn, report });
    }
    ui.stop();
    function
}

/// Makes one run, perhaps beside others whose progress is shown together, and judges it. `turn` is which run of the function it is to those
/// who listen; they hear nothing of a run without it, which only prepares others.
pub async fn run_beside(
    workdir: &WorkDir,
    machine: &dyn Machine,
    store: Option<Arc<ImageStore>>,
    turn: Option<&Turn>,
    ui: &Ui,
    cancel: CancellationToken,
) -> Result<FunctionReport> {
    let name = turn.map_or_else(|| workdir.plan().function.clone(), Turn::to_string);
    ui.begin(&name, workdir.plan());
    if let Some(turn) = turn {
        ui.tell(&Told::Started(turn));
    }
    let mut sink = |event: &Event| {
        let moved = ui.event(&name, event);
        if let Some(turn) = turn {
            ui.tell(&Told::Event { turn, event, moved });
        }
    };
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
fn save_meta(workdir: &WorkDir, meta: &RunMeta) -> Result<()> {
    let path = workdir.results().join("run.json");
    let text = serde_json::to_vec_pretty(meta).context(|| format!("cannot write {}", path.display()))?;
    // Disk full: the verdict says so already, and check will say that there is no run.
    let _ = fs::write(path, text);
    Ok(())
}

/// The results log under its own name, beside the uploads: the one that came with the token.
fn keep_results_log(workdir: &WorkDir, events: &[Event]) {
    if let Some(text) = workdir.witness_uploads(events, |name| name == "results.log" || name == "test.log").last() {
        let target: &Path = &workdir.results().join("results.log");
        // A copy for people; the upload itself is kept.
        let _ = fs::write(target, text);
    }
}
