//! `futon sweep`: many cells, each made once.

mod export;
mod local;
mod made;
mod plan;
mod progress;
mod show;
mod slurm;
mod work;

use std::fs;
use std::path::Path;

use futon_cli::{ExecutorArg, SweepArgs, SweepCommand, SweepHow, SweepNewArgs};
use futon_common::text::counted;
use futon_common::{Context, Error, Result};
use futon_model::ExitCode;
use futon_sweep::{Executor, Spec, Sweep};
use futon_terminal::Ui;
use futon_workdir::FolderLock;
use tokio_util::sync::CancellationToken;

use self::made::{Ended, Made};

/// Where sweeps are.
const SWEEPS: &str = "sweeps";

/// Does what the command says.
pub async fn sweep(args: SweepArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    match args.command {
        Some(SweepCommand::Status { dir, cells, json }) => show::status(&dir, cells, json, ui),
        Some(SweepCommand::Resume { dir, executor, how }) => {
            let mut made = Made::open(&dir)?;
            if let Some(executor) = executor {
                made.sweep.executor = executor_of(executor);
                made.sweep.save(&made.dir)?;
            }
            go_on(made, &how, ui, cancel).await
        }
        Some(SweepCommand::Cancel { dir }) => cancel_all(&Made::open(&dir)?, ui).await,
        Some(SweepCommand::Export { dir, out, json }) => {
            let made = Made::open(&dir)?;
            let out = out.unwrap_or_else(|| made.dir.clone());
            export::export(&made, &out, json, ui)
        }
        Some(SweepCommand::Work { dir, tasks, task, beside }) => {
            work::work(&Made::open(&dir)?, tasks, task, beside, cancel).await
        }
        None => make(&args.new, ui, cancel).await,
    }
}

/// Who makes the cells.
fn executor_of(arg: ExecutorArg) -> Executor {
    match arg {
        ExecutorArg::Local => Executor::Local,
        ExecutorArg::Slurm => Executor::Slurm,
    }
}

/// `futon sweep FILE`: plans, and makes what has no result.
async fn make(args: &SweepNewArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    // The grammar wants one.
    let file = args.file.as_deref().ok_or_else(|| Error::usage("no sweep").hint("futon sweep FILE"))?;
    let spec = Spec::read(file, &plan::flags())?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = spec.name.clone().unwrap_or(stem);
    let resources = std::path::absolute(&args.resources.resources).context(|| "path of the resources".into())?;
    ui.start(&format!("planning {name}"));
    let planned = plan::plan(&spec, &resources, &cancel);
    ui.stop();
    let plan = planned?;
    if args.dry_run {
        return show::cells(&plan, args.how.json, ui);
    }
    let executor = executor_of(args.executor);
    if executor == Executor::Slurm {
        // Before anything is written.
        futon_sweep::slurm::Slurm::find()?;
    }
    let dir = args.dir.clone().unwrap_or_else(|| Path::new(SWEEPS).join(&name));
    let failed = || format!("cannot make {}", dir.display());
    fs::create_dir_all(&dir).context(failed)?;
    let dir = dir.canonicalize().context(failed)?;
    let known = if dir.join("sweep.json").exists() { Some(Sweep::open(&dir)?) } else { None };
    let mut sweep = Sweep::new(&name, plan)?;
    if let Some(store) = &args.store {
        sweep.store = std::path::absolute(store).context(|| format!("path of {}", store.display()))?;
    }
    if let Some(known) = known {
        let same = known.plan == sweep.plan;
        // Its jobs go on to be its own.
        sweep.id = known.id;
        if args.store.is_none() {
            sweep.store = known.store;
        }
        ui.line(if same { "this sweep is there already: going on" } else { "the plan has changed; results stay" });
    }
    sweep.project = std::env::current_dir().context(|| "the current folder".into())?;
    sweep.resources = resources;
    (sweep.executor, sweep.retries) = (executor, spec.retries);
    (sweep.needs, sweep.slurm) = (spec.resources, spec.slurm);
    {
        let _lock = FolderLock::take(&dir, "futon sweep")?;
        sweep.save(&dir)?;
    }
    let store = sweep.store(&dir)?;
    go_on(Made { dir, sweep, store }, &args.how, ui, cancel).await
}

/// Makes the cells that have no result, and shows what came of it.
async fn go_on(made: Made, how: &SweepHow, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let before = made.status()?.0.counts;
    ui.line(&format!(
        "{}: {}, {} with a result, in {}",
        made.sweep.name,
        counted(before.cells, "cell"),
        before.done(),
        made.dir.display()
    ));
    let ended = match made.sweep.executor {
        Executor::Local => local::run(&made, how.jobs, ui, &cancel).await?,
        Executor::Slurm => slurm::run(&made, how.detach, ui, &cancel).await?,
    };
    match ended {
        Ended::Over => export::export(&made, &made.dir, how.json, ui),
        Ended::Interrupted => Ok(ExitCode::Interrupted),
        Ended::Detached => Ok(ExitCode::Passed),
    }
}

/// Ends all that makes cells.
async fn cancel_all(made: &Made, ui: &mut Ui) -> Result<ExitCode> {
    let here = local::stop(made, ui).await?;
    let tasks = if made.sweep.executor == Executor::Slurm { slurm::cancel(made)? } else { 0 };
    let what = match (here, tasks) {
        (0, 0) => "nobody makes cells of this sweep".to_owned(),
        (0, tasks) => format!("cancelled: {} of Slurm's", counted(tasks, "task")),
        (_, 0) => "what ran on this machine has ended".into(),
        (_, tasks) => format!("what ran on this machine has ended; cancelled: {} of Slurm's", counted(tasks, "task")),
    };
    ui.line(&format!("{what}; results stay. To go on: futon sweep resume {}", made.dir.display()));
    Ok(ExitCode::Passed)
}
