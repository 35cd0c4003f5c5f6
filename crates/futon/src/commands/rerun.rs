//! `futon rerun`: functions of an earlier run again, here or as a job.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futon_cli::{Cli, Command, ContentArgs, RerunArgs, ResourcesArg, RunArgs};
use futon_common::{Context, Error, Result};
use futon_job::Recorded;
use futon_model::{ExitCode, FunctionReport, beginning};
use futon_terminal::Ui;
use futon_workdir::WorkDir;
use tokio_util::sync::CancellationToken;

use super::job::{self, Parts, run_job};
use super::report::Stored;
use super::run::of_the_run;
use futon_prepare::cell::{file_input, machine_inputs};
use futon_prepare::given::settings;
use futon_prepare::machine::{Purpose, as_planned, prepare};
use futon_prepare::places::digests;
use futon_prepare::prepared::Prepared;
use futon_prepare::project::store_for;

/// Runs functions of an earlier run again, or packs them.
pub async fn rerun(args: &RerunArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let resources = &args.resources.resources;
    if let Some(target) = &args.output {
        let size = as_job(&args.run, &args.names, resources, &args.content, target, ui, &cancel).await?;
        job::say_made(target, size, ui);
        return Ok(ExitCode::Passed);
    }
    // What runs here is what would run elsewhere.
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
    let job = folder.path().join("job");
    as_job(&args.run, &args.names, resources, &ContentArgs::HERE, &job, ui, &cancel).await?;
    run_job(&job, &run_args(&args.resources, args.json)?, ui, cancel).await
}

/// Makes a job of functions of an earlier run; returns its size in bytes.
///
/// # Errors
/// When it cannot be run again as it was, or the job cannot be written.
pub async fn as_job(
    run: &Path,
    names: &[String],
    resources: &Path,
    content: &ContentArgs,
    target: &Path,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<u64> {
    let chosen = choose(run, names)?;
    let (first, _) = &chosen[0];
    let bare = run_args(&ResourcesArg { resources: resources.to_owned() }, false)?;
    let flags = of_the_run(first, bare.machine)?;
    let mut config = settings(&flags, None)?;
    as_planned(&first.plan().machine, &mut config);
    futon_prepare::machine::apply(&flags, &mut config);
    let prepared = prepare(&flags, resources, &config, Purpose::Run, ui, cancel).await?;
    let digests = digests(resources)?;
    ui.start("comparing what shaped the run");
    let unchanged = chosen.iter().try_for_each(|(workdir, _)| is_unchanged(workdir, &prepared, resources, &digests));
    ui.stop();
    unchanged?;
    let store = Arc::new(store_for(resources, &prepared)?);
    let functions = chosen
        .into_iter()
        .map(|(workdir, report)| {
            let rows = fs::read_to_string(workdir.results().join("invocations.csv")).ok();
            (workdir, report.map(|report| Recorded::of(&report.verdict, rows)))
        })
        .collect();
    let parts =
        Parts { functions, machine: &flags, prepared: &prepared, resources, store: &store, digests: &digests, content };
    job::pack(parts, target, ui).await
}

/// The flags of a bare `futon run`.
///
/// # Errors
/// Never: these words are a command line.
pub fn run_args(resources: &ResourcesArg, json: bool) -> Result<RunArgs> {
    match Cli::of_words(&["futon", "run"])?.command {
        Command::Run(run) => Ok(RunArgs { resources: resources.clone(), json, ..run }),
        _ => Err(Error::infra("`futon run` cannot be called")),
    }
}

/// The working directories of the functions that are wanted, with their reports.
pub fn choose(run: &Path, names: &[String]) -> Result<Vec<(WorkDir, Option<FunctionReport>)>> {
    if run.join("plan.json").is_file() {
        let workdir = WorkDir::open(run)?;
        let report = Stored::read(run).ok();
        let report = report.and_then(|stored| stored.report.functions.into_iter().next());
        return Ok(vec![(workdir, report)]);
    }
    let Stored { report, folder } = Stored::read(run)?;
    if let Some(name) = names.iter().find(|name| !report.functions.iter().any(|f| f.name == **name)) {
        let known: Vec<&str> = report.functions.iter().map(|f| f.name.as_str()).collect();
        return Err(Error::usage(format!("{}: the run has no function {name}", run.display()))
            .hint(format!("its functions are: {}", known.join(", "))));
    }
    let failed = report.functions.iter().any(|f| !f.verdict.is_pass());
    let wanted = |f: &FunctionReport| {
        if names.is_empty() { !failed || !f.verdict.is_pass() } else { names.contains(&f.name) }
    };
    let chosen = report.functions.iter().filter(|f| wanted(f));
    let chosen = chosen.map(|f| Ok((WorkDir::open(&folder_of(f, &folder))?, Some(f.clone()))));
    let chosen = chosen.collect::<Result<Vec<_>>>()?;
    if chosen.is_empty() {
        return Err(Error::nothing_to_run(format!("{}: the run has no function", run.display())));
    }
    Ok(chosen)
}

/// A function's folder: beside the report, which may have been moved with it, or where it was.
fn folder_of(function: &FunctionReport, beside: &Path) -> PathBuf {
    let moved = beside.join(&function.name);
    if moved.join("plan.json").is_file() {
        return moved;
    }
    // A merged report has it relative to itself.
    beside.join(&function.folder).parent().map_or(moved, Path::to_owned)
}

/// Checks that the machine and the files are still those of the run.
fn is_unchanged(
    workdir: &WorkDir,
    prepared: &Prepared,
    resources: &Path,
    digests: &futon_resources::Digests,
) -> Result<()> {
    let Some(cell) = workdir.cell() else { return Ok(()) };
    let mut now = machine_inputs(prepared, resources, digests)?;
    now.remove("vcpus");
    for (name, path) in workdir.served() {
        let input = file_input(name);
        if cell.inputs.contains_key(&input) && path.is_file() {
            now.insert(input, digests.of(path)?);
        }
    }
    let differs: Vec<String> = now
        .iter()
        .filter(|(name, value)| cell.inputs.get(*name) != Some(*value))
        .map(|(name, value)| {
            let then = cell.inputs.get(name).map_or("none", |value| beginning(value));
            format!("{name} was {then} and is {}", beginning(value))
        })
        .collect();
    if differs.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!("{} cannot be run again as it was: {}", workdir.plan().function, differs.join("; ")))
        .hint("bring back what it had, or test it anew with `futon test`"))
}
