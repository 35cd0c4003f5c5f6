//! Cells as tasks of Slurm's.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use futon_common::{Context, Error, Result};
use futon_sweep::slurm::{Array, Queued, Slurm};
use futon_sweep::{PlannedCell, Tasks, Worker, batches, journal};
use futon_terminal::Ui;
use futon_workdir::FolderLock;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::made::{Ended, Made};
use super::progress::Progress;

/// How often Slurm is asked: at first, and at most, when nothing happens.
const OFTEN: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(30);

/// Jobs that were handed over, a line each.
const JOBS: &str = "jobs.jsonl";

/// A job array that was handed over.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    job: String,
    tasks: u32,
}

/// Hands over the cells that nobody makes, and shows how they get on.
pub async fn run(made: &Made, detach: bool, ui: &mut Ui, cancel: &CancellationToken) -> Result<Ended> {
    let slurm = Slurm::find()?;
    let mut progress = Progress::new(made)?;
    {
        let _lock = FolderLock::take(&made.dir, "futon sweep")?;
        ui.start("handing cells over to Slurm");
        let handed = submit(made, &slurm);
        ui.stop();
        let (tasks, cells) = handed?;
        if tasks > 0 {
            ui.line(&format!("{cells} cells in {tasks} tasks are Slurm's now"));
        }
    }
    if detach {
        ui.line(&hints(made));
        return Ok(Ended::Detached);
    }
    ui.start(&progress.line());
    let ended = watch(made, &mut progress, ui, cancel).await;
    ui.stop();
    if matches!(ended, Ok(Ended::Interrupted)) {
        ui.line(&format!("Slurm's tasks go on. {}", hints(made)));
    }
    ended
}

fn hints(made: &Made) -> String {
    let dir = made.dir.display();
    format!("Later: futon sweep status {dir}, resume {dir}, or cancel {dir}")
}

/// Hands over; returns the numbers of tasks and cells.
fn submit(made: &Made, slurm: &Slurm) -> Result<(usize, usize)> {
    let (status, unknown) = made.status()?;
    if let Some(why) = unknown {
        // Without the queue, what is in it would be handed over again.
        return Err(why);
    }
    // Slurm could not start them, and would hold them for ever.
    slurm.cancel(&status.stuck)?;
    let open: Vec<&PlannedCell> = status.open(&made.sweep);
    let batches = batches(&made.sweep, &open, &made.store.done()?, slurm.max_array_size()?)?;
    let logs = made.dir.join("logs");
    fs::create_dir_all(&logs).context(|| format!("cannot make {}", logs.display()))?;
    let (run, mut handed) = (Worker::this("").name, 0);
    for batch in batches {
        let count = batch.tasks.len();
        let tasks = Tasks { run: run.clone(), tasks: batch.tasks }.save(&made.dir)?;
        let script = script(made, tasks)?;
        let job = slurm.submit(&Array {
            name: &format!("{}{tasks}", made.sweep.jobs()),
            tasks: count,
            at_once: batch.at_once,
            needs: &batch.needs,
            folder: &made.sweep.project,
            output: logs.join("%A_%a.log"),
            arguments: &made.sweep.slurm.arguments,
            script: &script,
        })?;
        // Only to ask later how it ended: the queue has the jobs by their names.
        let _ = journal::append(&made.dir.join(JOBS), &Job { job, tasks });
        handed += count;
    }
    Ok((handed, open.len()))
}

/// What a task runs. Slurm's signals reach futon itself.
fn script(made: &Made, tasks: u32) -> Result<String> {
    let program = std::env::current_exe().context(|| "futon's own path".into())?;
    let quoted = |text: &str| {
        let quoted = shlex::try_quote(text).map(|text| text.into_owned());
        quoted.map_err(|e| Error::usage(format!("{text:?}: {e}")))
    };
    let program = quoted(&program.display().to_string())?;
    let dir = quoted(&made.dir.display().to_string())?;
    Ok(format!("#!/bin/sh\nexec {program} sweep work {dir} --tasks {tasks}\n"))
}

/// Shows progress until no task is left.
async fn watch(made: &Made, progress: &mut Progress, ui: &mut Ui, cancel: &CancellationToken) -> Result<Ended> {
    let (mut wait, mut asked, mut silent) = (OFTEN, Instant::now(), false);
    let mut reasons = BTreeSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            () = cancel.cancelled() => return Ok(Ended::Interrupted),
        }
        if progress.show(ui) {
            wait = OFTEN;
        }
        if asked.elapsed() < wait {
            continue;
        }
        (wait, asked) = ((wait * 3 / 2).min(SELDOM), Instant::now());
        // Slurm's commands wait for its controller.
        match tokio::task::block_in_place(|| made.status())? {
            (status, None) => {
                silent = false;
                // Once: it may last for days.
                for (reason, _) in status.waiting {
                    if reasons.insert(reason.clone()) {
                        ui.line(&format!("  tasks wait: {reason}"));
                    }
                }
                progress.places(status.counts.running, status.counts.queued);
                if status.counts.running + status.counts.queued == 0 {
                    progress.show(ui);
                    say_how_they_ended(made, &status.stuck, ui);
                    return Ok(Ended::Over);
                }
            }
            (_, Some(why)) if !silent => {
                silent = true;
                ui.line(&format!("note: {why}; asking again"));
            }
            (_, Some(_)) => {}
        }
    }
}

/// Names the tasks that ended otherwise than by themselves.
fn say_how_they_ended(made: &Made, stuck: &[String], ui: &Ui) {
    for task in stuck {
        ui.line(&format!("  task {task}: Slurm could not start it, and holds it; `futon sweep resume` replaces it"));
    }
    for line in odd_ends(made) {
        ui.line(&format!("  {line}"));
    }
}

/// How tasks ended, where that was not by themselves: `3 tasks: TIMEOUT (12_1, 12_4, 12_7)`.
pub fn odd_ends(made: &Made) -> Vec<String> {
    let Ok(slurm) = Slurm::find() else { return Vec::new() };
    let jobs: Vec<Job> = journal::read(&made.dir.join(JOBS)).unwrap_or_default();
    // The last ones: what came before was resumed.
    let last: Vec<String> = jobs.iter().rev().take(8).map(|job| job.job.clone()).collect();
    let ends = slurm.ends(&last);
    let odd = |state: &str| !matches!(state, "COMPLETED" | "RUNNING" | "PENDING" | "COMPLETING" | "REQUEUED");
    let states: BTreeSet<&String> = ends.values().filter(|state| odd(state)).collect();
    let line = |state: &&String| {
        let ids: Vec<&str> = ends.iter().filter(|(_, s)| s == state).map(|(id, _)| id.as_str()).collect();
        let more = if ids.len() > 4 { ", …" } else { "" };
        format!("{} tasks: {state} ({}{more})", ids.len(), ids[..ids.len().min(4)].join(", "))
    };
    states.iter().map(line).collect()
}

/// Cancels a sweep's tasks; returns how many there were.
pub fn cancel(made: &Made) -> Result<usize> {
    let slurm = Slurm::find()?;
    let queue: Vec<Queued> = slurm.queue(&made.sweep.jobs())?;
    let jobs: BTreeSet<String> = queue.iter().map(|task| task.job.clone()).collect();
    slurm.cancel(&jobs.into_iter().collect::<Vec<_>>())?;
    Ok(queue.len())
}
