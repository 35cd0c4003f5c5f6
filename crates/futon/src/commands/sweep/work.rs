//! `futon sweep work`: makes the cells of one task, one after another.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result};
use futon_functions::Compose;
use futon_gem5::Goal;
use futon_model::{Cell, Code, ExitCode, FunctionReport, Report};
use futon_sweep::{Attempt, Claimed, Done, Others, PlannedCell, Tasks, Worker, now};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use super::made::Made;
use super::plan::test_args;
use crate::commands::test::{Among, run_among};
use futon_prepare::project::Project;

/// Makes the cells of a task that have no result and that nobody else makes. Ends with [`ExitCode::Passed`] whatever their verdicts are.
///
/// # Errors
/// When results cannot be kept. A cell that cannot be run is noted instead.
pub async fn work(
    made: &Made,
    tasks: u32,
    task: usize,
    beside: Option<usize>,
    cancel: CancellationToken,
) -> Result<ExitCode> {
    let tasks = Tasks::open(&made.dir, tasks)?;
    let digests = tasks.tasks.get(task).ok_or_else(|| Error::usage(format!("there is no task {task}")))?;
    let planned: BTreeMap<&str, &PlannedCell> =
        made.sweep.plan.cells.iter().map(|cell| (cell.digest.as_str(), cell)).collect();
    // What is in the plan no more is wanted no more.
    let mut open: Vec<&PlannedCell> = digests.iter().filter_map(|d| planned.get(d.as_str()).copied()).collect();
    std::env::set_current_dir(&made.sweep.project)
        .context(|| format!("cannot go to {}", made.sweep.project.display()))?;
    if beside.is_some() {
        end_with_input(cancel.clone());
    }
    let me = Worker::this(&tasks.run);
    let scratch = me.task.is_some().then(|| scratch(&made.sweep.id, &me)).transpose()?;
    let mut station = Station {
        made,
        others: Others::seen_from(&me),
        me,
        scratch,
        composes: BTreeMap::new(),
        machines: beside.unwrap_or(1),
        cancel,
    };
    let ended = station.all(&mut open).await;
    if let Some(scratch) = &station.scratch {
        let _ = fs::remove_dir_all(scratch);
    }
    ended
}

/// A worker whose futon is gone ends, too.
fn end_with_input(cancel: CancellationToken) {
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        // An error is an end as well.
        let _ = std::io::stdin().lock().read_to_end(&mut rest);
        cancel.cancel();
    });
}

/// A folder on this node's own disk. Those that killed workers have left are removed.
fn scratch(sweep: &str, me: &Worker) -> Result<PathBuf> {
    let root =
        ["SLURM_TMPDIR", "TMPDIR"].iter().find_map(std::env::var_os).map_or_else(std::env::temp_dir, PathBuf::from);
    let head = format!("futon-sweep-{sweep}.");
    for entry in fs::read_dir(&root).into_iter().flatten().flatten() {
        let holder = entry.path().join("worker.json");
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&head));
        let worker = || serde_json::from_slice::<Worker>(&fs::read(holder).ok()?).ok();
        if ours && worker().is_some_and(|worker| worker.process_is_there(me) == Some(false)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let folder = root.join(format!("{head}{}", me.name));
    let failed = || format!("cannot make {}", folder.display());
    fs::create_dir_all(&folder).context(failed)?;
    fs::write(folder.join("worker.json"), serde_json::to_vec(me).context(failed)?).context(failed)?;
    Ok(folder)
}

/// Bytes without which nothing can be kept.
const ROOM: u64 = 256 << 10;

/// What a worker has.
struct Station<'a> {
    made: &'a Made,
    me: Worker,
    others: Others,
    /// Where cells are made, if not where their results will be.
    scratch: Option<PathBuf>,
    composes: BTreeMap<String, Compose>,
    /// Workers on this machine.
    machines: usize,
    cancel: CancellationToken,
}

/// What came of making a cell.
enum Outcome {
    /// It has a result.
    Kept,
    /// It has none; why is noted.
    Open,
}

impl Station<'_> {
    async fn all(&mut self, open: &mut Vec<&PlannedCell>) -> Result<ExitCode> {
        while !open.is_empty() {
            let mut again = Vec::new();
            for cell in open.iter().copied() {
                if self.cancel.is_cancelled() {
                    return Ok(ExitCode::Interrupted);
                }
                let Claimed::Yes(claim) = self.made.store.claim(&cell.digest, &self.me, &self.others)? else {
                    continue;
                };
                let given_up = self.made.store.is_given_up(&cell.digest, &self.me.run, self.made.sweep.retries)?;
                let outcome = if given_up { Ok(Outcome::Kept) } else { self.make(cell).await };
                claim.release()?;
                if matches!(outcome?, Outcome::Open) {
                    again.push(cell);
                }
            }
            *open = again;
        }
        Ok(ExitCode::Passed)
    }

    /// Makes one cell. What it leaves without a result is put aside, for people.
    async fn make(&mut self, cell: &PlannedCell) -> Result<Outcome> {
        let place = match &self.scratch {
            None => self.made.store.workplace(&cell.digest, &self.me.name)?,
            Some(scratch) => {
                let place = scratch.join(&cell.digest);
                let _ = fs::remove_dir_all(&place);
                fs::create_dir(&place).context(|| format!("cannot make {}", place.display()))?;
                place
            }
        };
        let run = self.run(cell, &place).await;
        let (why, stopped) = match run {
            Ok(report) => match self.decided(cell, &report) {
                Ok(done) => {
                    let kept = self.keep(cell, &done, report, &place);
                    if kept.is_err() {
                        let _ = fs::remove_dir_all(&place);
                    }
                    return kept.map(|()| Outcome::Kept);
                }
                Err(why) => (why, false),
            },
            Err(e) => (e.to_string(), e.exit_code() == ExitCode::Interrupted),
        };
        let stopped = stopped || self.cancel.is_cancelled();
        let attempt = Attempt {
            digest: cell.digest.clone(),
            worker: self.me.name.clone(),
            run: self.me.run.clone(),
            ended: now(),
            why,
            stopped,
        };
        let noted = self.made.store.note(&attempt);
        if let Some(full) = self.full() {
            let _ = fs::remove_dir_all(&place);
            return Err(full);
        }
        noted?;
        if stopped || self.put_aside(cell, &place).is_err() {
            let _ = fs::remove_dir_all(&place);
        }
        Ok(Outcome::Open)
    }

    /// If the results' disk is full, no other cell has a chance either.
    fn full(&self) -> Option<Error> {
        let root = self.made.store.root();
        let disk = nix::sys::statvfs::statvfs(root).ok()?;
        let free = disk.blocks_available() * disk.fragment_size();
        (free < ROOM).then(|| Error::infra(format!("No space left on device: {} has {free} bytes", root.display())))
    }

    /// Runs `futon test` for it; its lines go to a file.
    async fn run(&mut self, cell: &PlannedCell, place: &Path) -> Result<FunctionReport> {
        let path = place.join("futon.log");
        let log = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
        let mut ui = Ui::to_file(log);
        ui.line(&self.made.sweep.plan.title(cell));
        let mut args = test_args(&cell.function, &self.made.sweep.plan.words(cell))?;
        args.resources.resources.clone_from(&self.made.sweep.resources);
        args.output.out = Some(place.to_owned());
        let compose = self.compose(&args)?;
        let among = Among { compose: Some(compose), calls: self.machines };
        let result = run_among(&args, Goal::Test, among, &mut ui, self.cancel.clone()).await;
        let (report, _folder) = result.inspect_err(|e| ui.error(e))?;
        one_function(report)
    }

    fn compose(&mut self, args: &futon_cli::TestArgs) -> Result<Compose> {
        let key = format!("{:?}", args.project.functions);
        if let Some(known) = self.composes.get(&key) {
            return Ok(known.clone());
        }
        let compose = Project::compose(&args.project, &self.made.sweep.resources)?;
        self.composes.insert(key, compose.clone());
        Ok(compose)
    }

    /// The result, or why it is none.
    fn decided(&self, cell: &PlannedCell, report: &FunctionReport) -> std::result::Result<Done, String> {
        if let Some(done) = Done::of(&cell.digest, report) {
            let planned = self.made.sweep.plan.cell(cell);
            return match &report.cell {
                Some(made) if made.digest == cell.digest => Ok(done),
                Some(made) => Err(format!(
                    "it was planned with other inputs ({} differ): `futon sweep` with its file plans anew",
                    planned.differences(made).join(", ")
                )),
                None => Err(report.verdict.why.clone()),
            };
        }
        let verdict = &report.verdict;
        let word = if verdict.code == Code::Interrupted { "stopped" } else { verdict.outcome.word() };
        Err(format!("{word}: {}", verdict.why))
    }

    /// Moves what was made into the store, and marks it.
    fn keep(&self, cell: &PlannedCell, done: &Done, mut function: FunctionReport, place: &Path) -> Result<()> {
        let store = &self.made.store;
        let path = place.join("report.json");
        let failed = || format!("cannot write {}", path.display());
        let text = fs::read(&path).context(failed)?;
        let mut report: Report = serde_json::from_slice(&text).context(failed)?;
        let folder = store.folder(&cell.digest).join(&function.name).join("results");
        function.folder = folder.display().to_string();
        // Locks of a folder that nobody will run in again.
        for folder in [place.to_owned(), place.join(&function.name)] {
            let _ = fs::remove_file(folder.join(futon_workdir::LOCK_FILE));
        }
        report.functions = vec![function];
        fs::write(&path, serde_json::to_vec_pretty(&report).context(failed)?).context(failed)?;
        // The run's manifest vouches for the report as it is now.
        let mut suite = futon_cells::Suite::read(place)?;
        suite.close(&report.functions)?;
        suite.write(place)?;
        let made = if self.scratch.is_some() {
            let shared = store.workplace(&cell.digest, &self.me.name)?;
            move_into(place, &shared).inspect_err(|_| drop(fs::remove_dir_all(&shared)))?;
            shared
        } else {
            place.to_owned()
        };
        let planned: Cell = self.made.sweep.plan.cell(cell);
        store.keep(&made, &planned, done, &self.me.name).inspect_err(|_| drop(fs::remove_dir_all(&made)))?;
        Ok(())
    }

    fn put_aside(&self, cell: &PlannedCell, place: &Path) -> Result<()> {
        let store = &self.made.store;
        if self.scratch.is_none() {
            return store.put_aside(place, &cell.digest);
        }
        let shared = store.workplace(&cell.digest, &self.me.name)?;
        move_into(place, &shared).and_then(|()| store.put_aside(&shared, &cell.digest)).inspect_err(|_| {
            // It was only for people.
            let _ = fs::remove_dir_all(&shared);
        })
    }
}

/// The report of the one function.
fn one_function(report: Report) -> Result<FunctionReport> {
    report.functions.into_iter().next().ok_or_else(|| Error::infra("the report has no function"))
}

/// Moves all that a folder holds into another that is empty, perhaps on another file system.
fn move_into(from: &Path, to: &Path) -> Result<()> {
    let failed = |path: &Path| format!("cannot copy {} to {}", path.display(), to.display());
    for entry in fs::read_dir(from).context(|| failed(from))? {
        let path = entry.context(|| failed(from))?.path();
        let Some(name) = path.file_name() else { continue };
        let target = to.join(name);
        if fs::rename(&path, &target).is_ok() {
            continue;
        }
        let kind = path.symlink_metadata().context(|| failed(&path))?.file_type();
        if kind.is_dir() {
            fs::create_dir(&target).context(|| failed(&path))?;
            move_into(&path, &target)?;
        } else if kind.is_symlink() {
            let points_to = fs::read_link(&path).context(|| failed(&path))?;
            std::os::unix::fs::symlink(points_to, &target).context(|| failed(&path))?;
        } else if kind.is_file() {
            fs::copy(&path, &target).context(|| failed(&path))?;
        }
        // Sockets and pipes are of no use after the run.
    }
    let _ = fs::remove_dir_all(from);
    Ok(())
}
