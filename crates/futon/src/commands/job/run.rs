//! `futon run JOB`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futon_cli::{MachineArgs, On, RunArgs};
use futon_common::{Context, Error, Result};
use futon_gem5::Goal;
use futon_harness::report::{report, write_report};
use futon_job::{JobFolder, JobFunction, Recorded, Served};
use futon_machine::{Console, Machine, processor_level};
use futon_model::{Cell, ExitCode, FunctionReport, MachineReport, beginning};
use futon_terminal::{Told, Ui};
use futon_workdir::WorkDir;
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

use super::make::{GEM5, STAGED_IN, programs};
use super::resources::{JobResources, resources_of};
use crate::commands::one_run::run_one;
use futon_prepare::cell::machine_inputs;
use futon_prepare::given::settings;
use futon_prepare::machine::{self, Purpose, prepare};
use futon_prepare::places::digests;
use futon_prepare::prepared::Prepared;
use futon_prepare::rundir::run_folder;

/// Flags that say how this host runs a job, not what the job is.
const OF_THE_HOST: [&str; 6] = ["accel", "gem5", "cold", "thaw", "unconfined", "watchdogs"];

/// Inputs of a cell that are programs of the host: another one makes another cell.
const OF_PROGRAMS: [&str; 3] = ["gem5", GEM5, STAGED_IN];

/// The input that may be left to the host.
const VCPUS: &str = "vcpus";

/// Columns of a row that the host's speed shapes.
const HOST_COLUMNS: [&str; 3] = ["run_id", "host_s", "host_mips"];

/// Runs all functions of a job, and says whether they end as recorded.
///
/// # Errors
/// When it is no job, or this host lacks something that it needs.
pub async fn run_job(path: &Path, args: &RunArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let out = run_folder(args.out.as_deref(), "futon run")?;
    ui.start("reading the job");
    let job = JobFolder::open(path, &out, args.blobs.as_deref());
    ui.stop();
    let job = job?;
    let resources = resources_of(&job, &args.resources.resources, ui).await?;
    // A warm base of the job's own resources would be made for this one run.
    let forks = resources.is_own;
    let bench = Bench::new(&job, resources, args, forks, ui, &cancel).await?;
    let cells = bench.cells_here(&job.job.functions)?;
    if job.job.futon != env!("CARGO_PKG_VERSION") {
        ui.line(&format!("note: futon {} made the job, this is {}", job.job.futon, env!("CARGO_PKG_VERSION")));
    }
    let started = SystemTime::now();
    let names: Vec<String> = job.job.functions.iter().map(|function| function.plan.function.clone()).collect();
    ui.tell(&Told::RunStarted { functions: &names, machine: &bench.machine() });
    let mut functions = Vec::new();
    for (function, cell) in job.job.functions.iter().zip(cells) {
        let function = &JobFunction { cell, ..function.clone() };
        let mut done = bench.run(&job, function, &out.join(&function.plan.function), ui, &cancel).await?;
        if let Some(recorded) = &function.recorded {
            done.remarks.push(as_recorded(recorded, &done));
        }
        functions.push(done);
        if cancel.is_cancelled() {
            break;
        }
    }
    let report = report(functions, started, started.elapsed().unwrap_or_default());
    let drawn = crate::commands::rows::gather(&report.functions, &out, ui);
    write_report(&out, &report)?;
    ui.tell(&Told::RunEnded { report: &report, folder: &out });
    ui.result(&report)?;
    drawn?;
    ui.line(&format!("report: {} (for programs: report.json)", out.join("report.html").display()));
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}

/// A job's machine on this host, ready to run functions: the job's own, or those of another job.
pub struct Bench {
    prepared: Prepared,
    resources: JobResources,
}

impl Bench {
    /// Prepares the machine. With `forks` it runs from a warm base.
    ///
    /// # Errors
    /// When this host lacks something that it needs.
    pub async fn new(
        job: &JobFolder,
        resources: JobResources,
        args: &RunArgs,
        forks: bool,
        ui: &mut Ui,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let flags = flags(job, args, &resources)?;
        let mut config = settings(&flags, None)?;
        if let Some(plan) = job.job.functions.first().map(|function| &function.plan.machine) {
            machine::as_planned(plan, &mut config);
        }
        machine::apply(&flags, &mut config);
        let purpose = match flags.on {
            On::Gem5 => Purpose::Simulate(Goal::Test),
            _ if forks => Purpose::Fork,
            _ => Purpose::Run,
        };
        let prepared = prepare(&flags, &resources.folder, &config, purpose, ui, cancel).await?;
        compare_programs(job, &prepared, &resources, args.other_programs, ui)?;
        Ok(Self { prepared, resources })
    }

    /// The machine, as far as it is known before a run.
    pub fn machine(&self) -> MachineReport {
        self.prepared.machine.report()
    }

    /// The cells of functions' runs on this host: with this futon, and the programs that are here.
    ///
    /// # Errors
    /// When the machine is not the one of a function's cell.
    fn cells_here(&self, functions: &[JobFunction]) -> Result<Vec<Cell>> {
        let folder = &self.resources.folder;
        let machine = machine_inputs(&self.prepared, folder, &digests(folder)?)?;
        functions.iter().map(|function| cell_with(&machine, function)).collect()
    }

    /// Runs a function of a job in a folder of its own.
    ///
    /// # Errors
    /// When its files are damaged or not those of its cell, or the folder cannot be written.
    pub async fn run(
        &self,
        job: &JobFolder,
        function: &JobFunction,
        folder: &Path,
        ui: &mut Ui,
        cancel: &CancellationToken,
    ) -> Result<FunctionReport> {
        let workdir = self.restore(job, function, folder)?;
        workdir.check_cell(&function.cell)?;
        let done = run_one(&workdir, &*self.prepared.machine, Some(self.store(job)?), ui, cancel.clone()).await?;
        let _ = std::fs::remove_file(workdir.disk());
        Ok(done)
    }

    /// A function's working directory.
    ///
    /// # Errors
    /// When a file is damaged, or the folder cannot be written.
    pub fn restore(&self, job: &JobFolder, function: &JobFunction, folder: &Path) -> Result<WorkDir> {
        restore(job, function, &self.resources, folder)
    }

    /// The job's images.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn store(&self, job: &JobFolder) -> Result<Arc<ImageStore>> {
        let level = processor_level(&self.prepared.machine.report());
        Ok(Arc::new(ImageStore::open_read_only(job.images_folder())?.for_processor(level)))
    }

    /// The machine with its console at hand, if it has one.
    pub fn with_console(&self, console: &Console) -> Option<Box<dyn Machine>> {
        self.prepared.machine.with_console(console)
    }
}

/// A function's cell with the machine that is here.
fn cell_with(machine: &BTreeMap<String, String>, function: &JobFunction) -> Result<Cell> {
    let mut inputs = function.cell.inputs.clone();
    let mut others = Vec::new();
    for (name, here) in machine {
        match inputs.get(name) {
            Some(then) if then == here => {}
            // What is left to the host, in words.
            Some(then) if name == VCPUS && then.parse::<u32>().is_err() => {}
            Some(_) if OF_PROGRAMS.contains(&name.as_str()) => {
                inputs.insert(name.clone(), here.clone());
            }
            then => {
                let then = then.map_or("nothing", |then| beginning(then));
                others.push(format!("{name}: {then} in the cell, {} here", beginning(here)));
            }
        }
    }
    if !others.is_empty() {
        let (name, others) = (&function.plan.function, others.join("; "));
        return Err(Error::usage(format!("{name}: the machine is not the one of the job's cell: {others}"))
            .hint("the job was changed: make it again with `futon plan -o` or `futon rerun -o`"));
    }
    inputs.insert("futon".into(), env!("CARGO_PKG_VERSION").into());
    Ok(Cell::of(inputs))
}

/// The machine's flags: the job's, and what this host adds.
fn flags(job: &JobFolder, args: &RunArgs, resources: &JobResources) -> Result<MachineArgs> {
    let given = &args.machine;
    let of_the_machine = serde_json::to_value(given).context(|| "the machine's flags".into())?;
    let is_of_the_machine = |flag: &str| {
        of_the_machine.get(flag).is_some_and(|value| !value.is_object())
            || of_the_machine.get("gem5").is_some_and(|gem5| gem5.get(flag).is_some())
    };
    let others = given.explicit.iter().filter(|flag| !OF_THE_HOST.contains(&flag.as_str()));
    if let Some(flag) = others.into_iter().find(|flag| is_of_the_machine(flag)) {
        return Err(Error::usage(format!("--{} would change what the job is", flag.replace('_', "-")))
            .hint("leave it out; `futon plan` with this flag makes another job"));
    }
    let kept: MachineArgs = serde_json::from_value(job.job.machine.clone()).context(|| "the job's flags".into())?;
    let mut flags = MachineArgs { explicit: given.explicit.clone(), ..kept };
    let said = |flag: &str| given.explicit.contains(flag);
    if said("accel") {
        flags.accel = given.accel;
    }
    if said("thaw") {
        flags.thaw = given.thaw;
    }
    if said("watchdogs") {
        flags.gem5.watchdogs.clone_from(&given.gem5.watchdogs);
    }
    flags.cold |= given.cold;
    flags.gem5.unconfined |= given.gem5.unconfined;
    flags.gem5.gem5.clone_from(&given.gem5.gem5);
    flags.base_image = resources.given.get("base_image").cloned();
    flags.kernel = resources.given.get("kernel").cloned();
    flags.initrd = resources.given.get("initrd").cloned();
    flags.gem5.gem5_config = resources.given.get("gem5_config").cloned();
    if let Some(function) = job.job.functions.first() {
        machine::ask_for(function.plan.machine.base, &mut flags);
    }
    Ok(flags)
}

/// A simulator's figures depend on its program, and on the QEMU in which the guest is prepared.
fn compare_programs(
    job: &JobFolder,
    prepared: &Prepared,
    resources: &JobResources,
    other_is_well: bool,
    ui: &Ui,
) -> Result<()> {
    let here = programs(prepared, &digests(&resources.folder)?)?;
    for (name, recorded) in &job.job.programs {
        let now = here.get(name).map_or("none", String::as_str);
        if now == recorded {
            continue;
        }
        let what = format!("{name}: the job was made with {}, here is {}", beginning(recorded), beginning(now));
        if [GEM5, STAGED_IN].contains(&name.as_str()) && !other_is_well {
            return Err(Error::infra(what)
                .hint("name the same with --gem5; or run it with --other-programs, and its figures may differ"));
        }
        ui.line(&format!("note: {what}"));
    }
    Ok(())
}

/// The working directory of a function.
fn restore(job: &JobFolder, function: &JobFunction, resources: &JobResources, root: &Path) -> Result<WorkDir> {
    let root = std::path::absolute(root).context(|| format!("path of {}", root.display()))?;
    let place = |served: &Served| match served {
        Served::File(name) => root.join(name),
        Served::Resource(name) => resources.folder.join(name),
    };
    let served: BTreeMap<_, _> = function
        .served
        .iter()
        .map(|(name, from)| Ok((name.clone(), std::path::absolute(place(from))?)))
        .collect::<std::io::Result<_>>()
        .context(|| "the guest's files".into())?;
    WorkDir::restore(&root, &function.plan, &function.cell, served, |root| {
        function.files.iter().try_for_each(|(name, blob)| job.extract(name, blob, &root.join(name)))
    })
}

/// A remark on whether a run ended as the recorded one did.
fn as_recorded(recorded: &Recorded, now: &FunctionReport) -> String {
    let words = |r: &Recorded| {
        let step = r.step.as_deref().map_or_else(String::new, |step| format!(" in {step}"));
        format!("{}{step} ({})", r.outcome.word(), r.code.word())
    };
    let rows = std::fs::read_to_string(Path::new(&now.folder).join("invocations.csv")).ok();
    let seen = Recorded::of(&now.verdict, rows);
    let same_verdict = (recorded.outcome, &recorded.step, recorded.code) == (seen.outcome, &seen.step, seen.code);
    if !same_verdict {
        return format!("not as recorded: {} then, {} now", words(recorded), words(&seen));
    }
    match (&recorded.rows, &seen.rows) {
        (None, _) => format!("as recorded: {}", words(recorded)),
        (Some(then), Some(now)) if figures(then) == figures(now) => {
            format!("as recorded: {}, and the same figures to the digit", words(recorded))
        }
        (Some(_), _) => format!("as recorded: {}; the figures are others", words(recorded)),
    }
}

/// Rows of invocations without what the host's speed shapes.
fn figures(csv: &str) -> Vec<Vec<&str>> {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.clone().next().unwrap_or_default();
    let kept: Vec<usize> = (0..header.len()).filter(|at| !HOST_COLUMNS.contains(&header[*at])).collect();
    lines.by_ref().map(|cells| kept.iter().map(|at| cells.get(*at).copied().unwrap_or_default()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_same_whatever_the_host() {
        let rows = |run: &str, cycles: &str, host: &str| {
            format!("run_id,cpi,host_s,host_mips,state\n{run},{cycles},{host},0.1,warm\n")
        };
        assert_eq!(figures(&rows("a", "1.5", "3.0")), figures(&rows("b", "1.5", "9.0")));
        assert_ne!(figures(&rows("a", "1.5", "3.0")), figures(&rows("a", "1.6", "3.0")));
        assert_eq!(figures(&rows("a", "1.5", "3.0"))[1], ["1.5", "warm"]);
    }
}
