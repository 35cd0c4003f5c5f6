//! `futon test`: build, run and check for each function.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futon_cells::{Shard, Suite as Manifest};
use futon_cli::{BaseArg, On, TestArgs};
use futon_common::{Context, Error, Result, require_writable};
use futon_functions::Compose;
use futon_gem5::Goal;
use futon_harness::report::{junit, report, write_report};
use futon_machine::Machine;
use futon_model::{Attempt, ExitCode, FunctionReport, Report, Turn};
use futon_qemu::QemuMachine;
use futon_terminal::{Told, Ui};
use futon_workdir::FolderLock;
use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

use super::describe;
use super::one_run::run_beside;
use super::unrun::{could_not_run, not_run};
use futon_prepare::given::missing_image;
use futon_prepare::machine::{Purpose, prepare};
use futon_prepare::packages::keep_packages;
use futon_prepare::prepared::Prepared;
use futon_prepare::project::{Project, store_for};
use futon_prepare::remembered::remember;
use futon_prepare::room::{jobs, order, processors, side_by_side};
use futon_prepare::rundir::{RunFolder, attempt_of, run_folder, run_of};
use futon_prepare::suite::{SuiteParts, check_recording, close_run, open_run, record};
use futon_prepare::thresholds::check_thresholds;
use futon_prepare::warm::with_images;

/// Tests functions, as many side by side as there is room for, and says how each ended.
pub async fn test(args: &TestArgs, goal: Goal, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let Ended { report, out, kept } = run_to_end(args, goal, Among::default(), ui, cancel).await?;
    ui.result(&report)?;
    kept?;
    ui.line(&format!("report: {} (for programs: report.json)", out.join("report.html").display()));
    Ok(exit(&report))
}

/// The exit status of a run. Only a shard that has no function ends without a verdict, and that is no failure: the others have them all.
fn exit(report: &Report) -> ExitCode {
    if report.functions.is_empty() {
        return ExitCode::Passed;
    }
    ExitCode::of_all(report.functions.iter().map(|f| &f.verdict))
}

/// Tests functions and writes the reports; returns the report and its folder.
pub async fn run_all(
    args: &TestArgs,
    goal: Goal,
    ui: &mut Ui,
    cancel: CancellationToken,
) -> Result<(Report, RunFolder)> {
    run_among(args, goal, Among::default(), ui, cancel).await
}

/// What several calls of this program share.
#[derive(Debug, Clone)]
pub struct Among {
    /// The compose file, if it was read before.
    pub compose: Option<Compose>,
    /// Calls side by side on this machine.
    pub calls: usize,
}

impl Default for Among {
    fn default() -> Self {
        Self { compose: None, calls: 1 }
    }
}

/// The same, as one of several calls.
pub async fn run_among(
    args: &TestArgs,
    goal: Goal,
    among: Among,
    ui: &mut Ui,
    cancel: CancellationToken,
) -> Result<(Report, RunFolder)> {
    let Ended { report, out, kept } = run_to_end(args, goal, among, ui, cancel).await?;
    kept?;
    Ok((report, out))
}

/// A run that has its verdicts.
struct Ended {
    report: Report,
    out: RunFolder,
    /// Whether all that was to be written of it is written: the verdicts hold all the same.
    kept: Result<()>,
}

async fn run_to_end(
    args: &TestArgs,
    goal: Goal,
    among: Among,
    ui: &mut Ui,
    cancel: CancellationToken,
) -> Result<Ended> {
    let resources = &args.resources.resources;
    args.output.junit.as_deref().map_or(Ok(()), |path| require_writable("--junit", path))?;
    check_recording(&args.shards)?;
    let m = &args.machine;
    let base = m.on == On::Qemu && m.base == BaseArg::Docker && m.base_image.is_none();
    super::resources::first_use(resources, base, ui, &cancel).await?;
    let given = super::images::with_archives(&args.chosen.names, resources, ui).await?;
    let compose = among.compose.map_or_else(|| Project::compose(&args.project, resources), Ok)?;
    let mut project = Project::of(compose, &args.project, &args.client, &args.machine, resources)?;
    let names = project.names(&given, &args.chosen, &args.client)?;
    let parts = SuiteParts::new(&project, &names, &args.shards, &args.machine, resources, ui)?;
    let (names, weights) = parts.own();
    if names.is_empty() {
        return nothing_here(args, &parts, ui);
    }
    if parts.shard != Shard::WHOLE {
        ui.line(&format!("shard {}: {} of {} functions", parts.shard, names.len(), parts.count()));
    }
    let on_qemu = args.machine.on == On::Qemu;
    // Without --stress there is one run of each function, without a number.
    let runs: Vec<Option<u32>> = args.stress.map_or_else(|| vec![None], |runs| (1..=runs).map(Some).collect());
    let jobs = side_by_side(jobs(args, &project, on_qemu).min(names.len() * runs.len()), on_qemu, ui).await?;
    if on_qemu {
        project.share(processors(), jobs * among.calls);
    }
    let purpose = if goal == Goal::Test { Purpose::Fork } else { Purpose::Simulate(goal) };
    let prepared = prepare(&args.machine, resources, &project.config, purpose, ui, &cancel).await?;
    if let Some(load) = &args.client.load {
        check_thresholds(load, &prepared)?;
    }
    let out =
        run_folder(args.output.out.as_deref(), if args.client.load.is_some() { "futon load" } else { "futon test" })?;
    let store = Arc::new(store_for(resources, &prepared)?);
    let started = SystemTime::now();
    let called = names.iter().map(|name| Ok(project.selection(name)?.name.clone())).collect::<Result<Vec<_>>>()?;
    ui.tell(&Told::RunStarted { functions: &called, machine: &prepared.machine.report() });
    let looks = describe::Looks { project: &project, prepared: &prepared, resources, store: &store, cancel: &cancel };
    let asked = describe::ask_all(&names, &looks, &args.client, &out, ui).await?;
    let known: Vec<String> = names.iter().filter(|name| !asked.contains_key(*name)).cloned().collect();
    let cached = if args.from_cache {
        cached(args, &known, &project, &prepared, &store, ui, &cancel).await?
    } else {
        BTreeMap::new()
    };
    ui.start("the inputs of each result");
    // Many runs of a function are no results that could be merged.
    let manifest = args.stress.is_none().then(|| parts.manifest(&project, &prepared, &args.client, &store));
    ui.stop();
    let manifest = manifest.transpose()?;
    open_run(&out, manifest.as_ref())?;
    keep_packages(&args.machine, prepared.base, resources, &out);
    let suite = Suite {
        args,
        project: &project,
        prepared: &prepared,
        asked,
        cached,
        store,
        out: &out,
        cancel,
        failed: AtomicBool::new(false),
    };
    let what = if jobs > 1 { format!("{} functions, {jobs} at a time", names.len()) } else { names.join(", ") };
    ui.start(&args.stress.map_or_else(|| what.clone(), |runs| format!("{what}, {runs} runs each")));
    let shown: &Ui = ui;
    let order = order(&weights, jobs);
    let turns = runs.iter().flat_map(|run| order.iter().map(move |place| (*place, *run)));
    let mut functions: Vec<((usize, Option<u32>), FunctionReport)> = stream::iter(turns)
        .map(|turn| suite.function(&names[turn.0], turn.1, shown).map_ok(move |report| (turn, report)))
        .buffer_unordered(jobs)
        .try_collect()
        .await?;
    ui.stop();
    functions.sort_by_key(|(turn, _)| *turn);
    let functions = functions.into_iter().map(|(_, report)| report).collect();
    let report = report(functions, started, started.elapsed().unwrap_or_default());
    // Before the report, which has a link to the charts.
    let drawn = super::rows::gather(&report.functions, &out, ui);
    let kept = keep(args, &out, &report, manifest);
    let timings = args.shards.record_timings.as_deref();
    let recorded = timings.map_or(Ok(()), |path| record(path, &parts.kind, &report.functions));
    ui.tell(&Told::RunEnded { report: &report, folder: &out });
    Ok(Ended { report, out, kept: kept.and(recorded).and(drawn) })
}

/// Writes the reports, and then into the manifest what they are.
fn keep(args: &TestArgs, out: &Path, report: &Report, manifest: Option<Manifest>) -> Result<()> {
    write_report(out, report)?;
    if let Some(manifest) = manifest {
        close_run(out, manifest, &report.functions)?;
    }
    args.output.junit.as_deref().map_or(Ok(()), |path| write_junit(path, report))
}

/// Writes a report for programs that read JUnit's.
pub fn write_junit(path: &Path, report: &Report) -> Result<()> {
    fs::write(path, junit(report)?).context(|| format!("cannot write {}", path.display()))
}

/// The run of a shard that has no function: there are more shards than functions. No machine is made.
fn nothing_here(args: &TestArgs, parts: &SuiteParts, ui: &Ui) -> Result<Ended> {
    ui.line(&format!("shard {}: the suite's {} functions are all in other shards", parts.shard, parts.count()));
    let out = run_folder(args.output.out.as_deref(), "futon test")?;
    let manifest = parts.empty_manifest();
    open_run(&out, Some(&manifest))?;
    let mut report = report(Vec::new(), SystemTime::now(), Duration::ZERO);
    report.summary.exit_code = exit(&report) as u8;
    let kept = keep(args, &out, &report, Some(manifest));
    Ok(Ended { report, out, kept })
}

/// What the runs of one call share.
struct Suite<'a> {
    args: &'a TestArgs,
    project: &'a Project,
    prepared: &'a Prepared,
    /// Reports of functions that could not be asked what they offer, by the function's name.
    asked: BTreeMap<String, FunctionReport>,
    /// Machines that have a function's images, by the function's name.
    cached: BTreeMap<String, QemuMachine>,
    store: Arc<ImageStore>,
    out: &'a Path,
    cancel: CancellationToken,
    /// Set when a function did not pass.
    failed: AtomicBool,
}

impl Suite<'_> {
    /// Tests one function, again if it does not pass and that is wanted.
    async fn function(&self, name: &str, run: Option<u32>, ui: &Ui) -> Result<FunctionReport> {
        // An image is named by its reference here, and by its base name everywhere else.
        let mut turn = Turn { run, ..Turn::first(&self.project.selection(name)?.name) };
        let function = FunctionReport { run, ..self.judged(name, turn.clone(), ui).await? };
        turn.attempt = function.attempts;
        ui.tell(&Told::Ended { turn: &turn, report: &function });
        Ok(function)
    }

    async fn judged(&self, name: &str, mut turn: Turn, ui: &Ui) -> Result<FunctionReport> {
        let called = &turn.function.clone();
        let stopped = self.args.fail_fast && self.failed.load(Ordering::Relaxed);
        if stopped || self.cancel.is_cancelled() {
            return Ok(not_run(called, self.prepared, self.cancel.is_cancelled()));
        }
        if let Some(report) = self.asked.get(name) {
            self.failed.store(true, Ordering::Relaxed);
            return Ok(report.clone());
        }
        let dir = self.out.join(turn.run.map_or_else(|| called.clone(), |run| run_of(called, run)));
        let mut earlier = Vec::new();
        loop {
            let mut function = match self.attempt(name, &dir, &turn, ui).await {
                Ok(function) => function,
                Err(e) if e.exit_code() == ExitCode::Interrupted => return Err(e),
                // The others' verdicts are worth no less for it.
                Err(e) => could_not_run(called, self.prepared, &e),
            };
            // Of many runs each counts, whatever became of it.
            let more = turn.run.is_none() && again(&function, earlier.len(), self.args.retries);
            if more && !self.cancel.is_cancelled() {
                let made = Attempt::of(&function, set_aside(&dir, turn.attempt)?);
                ui.line(&format!("  {called}: trying again; attempt {} {}", turn.attempt, made.line()));
                ui.tell(&Told::AttemptEnded { turn: &turn, result: &made });
                earlier.push(made);
                turn.attempt += 1;
                continue;
            }
            function.attempts = turn.attempt;
            if function.is_flaky() {
                function.remarks.push(format!("flaky: passed on attempt {}", turn.attempt));
            }
            function.earlier = earlier;
            if !function.verdict.is_pass() {
                self.failed.store(true, Ordering::Relaxed);
            }
            return Ok(function);
        }
    }

    async fn attempt(&self, name: &str, dir: &Path, turn: &Turn, ui: &Ui) -> Result<FunctionReport> {
        let resources = &self.args.resources.resources;
        let store = &self.store;
        let _lock = FolderLock::take(dir, "futon test")?;
        let workdir =
            self.project.working_directory(name, dir, &self.args.client, self.prepared, resources, Some(store))?;
        remember(dir, &self.args.machine)?;
        for image in workdir.plan().images.iter().filter(|image| image.manifest.is_none()) {
            ui.line(&missing_image(image, &self.project.config));
        }
        let machine = self.cached.get(name).map_or(&*self.prepared.machine, |machine| machine as &dyn Machine);
        let function =
            run_beside(&workdir, machine, Some(Arc::clone(store)), Some(turn), ui, self.cancel.clone()).await?;
        futon_prepare::calls::keep(&workdir, ui)?;
        if !self.args.output.keep_disks {
            // The disk is of no use after the run; the results stay.
            let _ = fs::remove_file(workdir.disk());
            if let Some(bundle) = workdir.bundle() {
                // Nor is the bundle.
                let _ = fs::remove_file(bundle);
            }
        }
        Ok(function)
    }
}

/// Gives the folder of an attempt another name, so that the next one can be made in its place. Returns where its results are then; nothing if
/// it has none.
fn set_aside(dir: &Path, attempt: u32) -> Result<String> {
    if !dir.exists() {
        return Ok(String::new());
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let kept = dir.with_file_name(attempt_of(&name, attempt));
    let failed = || format!("cannot keep the attempt in {}", kept.display());
    // A folder that --out names may have one of an earlier run. What futon did not make is not removed: the next line fails.
    if kept.join("plan.json").is_file() {
        fs::remove_dir_all(&kept).context(failed)?;
    }
    fs::rename(dir, &kept).context(failed)?;
    let results = std::path::absolute(&kept).context(failed)?.join("results");
    Ok(results.display().to_string())
}

/// Whether a function gets another attempt after so many earlier ones: the user wants it, or the first one met a fault of the emulator.
fn again(function: &FunctionReport, earlier: usize, retries: u32) -> bool {
    let excused = earlier == 0 && function.emulator_is_suspect();
    !function.verdict.is_pass() && (excused || earlier < retries as usize)
}

/// A machine for each function that has its images (`--from-cache`).
async fn cached(
    args: &TestArgs,
    names: &[String],
    project: &Project,
    prepared: &Prepared,
    store: &Arc<ImageStore>,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, QemuMachine>> {
    let Some(machine) = &prepared.qemu else {
        return Err(Error::usage("--from-cache needs the docker base on QEMU").hint("leave it out"));
    };
    let mut cached = BTreeMap::new();
    for name in names {
        let (plan, _) = project.plan(name, &args.client, prepared, Some(store))?;
        let made = with_images(machine, &plan, store, &args.resources.resources, &project.config, ui, cancel).await?;
        cached.extend(made.map(|machine| (name.clone(), machine)));
    }
    Ok(cached)
}

#[cfg(test)]
mod tests {
    use futon_model::{Accelerator, Code, MachineKind, MachineReport, Outcome, Verdict};

    use super::*;
    use crate::commands::unrun::without_run;

    fn ended(outcome: Outcome, code: Code, why: &str, accelerator: Accelerator) -> FunctionReport {
        let machine = MachineReport {
            kind: MachineKind::Qemu,
            version: String::new(),
            accelerator,
            accelerator_reason: String::new(),
            vcpus: 2,
            memory_mib: 2048,
            base_image: String::new(),
            kernel: String::new(),
            fork: None,
        };
        let verdict = Verdict { outcome, step: None, code, why: why.into(), hint: None };
        without_run("f", machine, verdict)
    }

    #[test]
    fn only_a_fault_of_the_emulator_gets_another_attempt_unasked() {
        let int3 = "[    2.367053] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI";
        let emulators = ended(Outcome::Crashed, Code::GuestOops, int3, Accelerator::Tcg);
        assert!(again(&emulators, 0, 0));
        assert!(!again(&emulators, 1, 0), "once");
        assert!(again(&emulators, 1, 2));
        let others = [
            ended(Outcome::Crashed, Code::GuestOops, int3, Accelerator::Kvm),
            ended(Outcome::Crashed, Code::GuestOops, "[   10.1] Oops: 0002 [#1] PREEMPT SMP", Accelerator::Tcg),
            ended(Outcome::Failed, Code::WrongReply, int3, Accelerator::Tcg),
        ];
        for other in others {
            assert!(!again(&other, 0, 0), "{:?}", other.verdict);
            assert!(again(&other, 0, 1), "{:?}", other.verdict);
        }
        assert!(!again(&ended(Outcome::Passed, Code::AllWitnessesAgree, "", Accelerator::Tcg), 0, 3));
    }
}
