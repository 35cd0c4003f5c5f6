//! Cells on this machine: workers side by side, each a process of its own, so that one that breaks does not end the sweep.
//!
//! A worker makes many cells, one after another: a process for each cell would cost a tenth of a second each time
//! (docs/decisions/sweep.md).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use futon_common::{Context, Error, Result};
use futon_model::ExitCode;
use futon_sweep::{PlannedCell, State, Tasks, Worker};
use futon_terminal::Ui;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::made::{Ended, Made};
use super::progress::Progress;
use futon_prepare::room::{available_memory_mib, processors};

/// How often the screen is looked after.
const TICK: Duration = Duration::from_millis(250);

/// How long workers have to end their machines.
const GRACE: Duration = Duration::from_secs(20);

/// So many workers may break one after another with nothing done in between.
const BROKEN: usize = 5;

/// Folder of those who have begun workers here.
const DRIVERS: &str = "drivers";

/// Makes all cells that have no result.
pub async fn run(made: &Made, jobs: Option<u32>, ui: &mut Ui, cancel: &CancellationToken) -> Result<Ended> {
    let run = Worker::this("").name;
    let driver = Driver::new(made, &run)?;
    let mut progress = Progress::new(made)?;
    let mut waits = false;
    let ended = loop {
        let (status, _) = made.status()?;
        let mut open = Vec::new();
        for cell in status.open(&made.sweep) {
            if !made.store.is_given_up(&cell.digest, &run, made.sweep.retries)? {
                open.push(cell);
            }
        }
        let elsewhere = status.states.iter().any(|state| matches!(state, State::Running { .. }));
        if open.is_empty() && !elsewhere {
            break Ended::Over;
        }
        if open.is_empty() {
            // If it fails to, we make them.
            if !waits {
                waits = true;
                ui.line("the cells that are left are made by another futon: waiting for it");
            }
            progress.show(ui);
            tokio::select! {
                () = tokio::time::sleep(TICK) => continue,
                () = cancel.cancelled() => break Ended::Interrupted,
            }
        }
        let jobs = jobs.map_or_else(|| side_by_side(made, &open), |jobs| usize::try_from(jobs).unwrap_or(1));
        let digests = open.iter().map(|cell| cell.digest.clone()).collect();
        let tasks = Tasks { run: run.clone(), tasks: vec![digests] }.save(&made.dir)?;
        let mut workers = Workers { made, tasks, jobs, running: Vec::new(), started: 0, broken: 0 };
        let ended = workers.all(open.len(), &mut progress, ui, cancel).await;
        workers.end().await;
        ended?;
        if cancel.is_cancelled() {
            break Ended::Interrupted;
        }
    };
    ui.stop();
    driver.forget();
    if matches!(ended, Ended::Interrupted) {
        let counts = made.status()?.0.counts;
        ui.line(&format!(
            "stopped: {} of {} cells have a result. To go on: futon sweep resume {}",
            counts.done(),
            counts.cells,
            made.dir.display()
        ));
    }
    Ok(ended)
}

/// As many as processors and free memory allow, and no more than there are cells.
fn side_by_side(made: &Made, open: &[&PlannedCell]) -> usize {
    let largest = open.iter().map(|cell| made.sweep.plan.machine(cell).memory_mib).max().unwrap_or(1).max(1);
    let memory = available_memory_mib().saturating_sub(1024) / largest;
    processors().min(usize::try_from(memory).unwrap_or(1)).min(open.len()).max(1)
}

/// The workers of one round.
struct Workers<'a> {
    made: &'a Made,
    tasks: u32,
    jobs: usize,
    running: Vec<(Child, PathBuf)>,
    started: usize,
    /// Workers that broke since a cell was last done.
    broken: usize,
}

impl Workers<'_> {
    /// Starts them, and others for those that break, until all have ended by themselves.
    async fn all(
        &mut self,
        cells: usize,
        progress: &mut Progress,
        ui: &mut Ui,
        cancel: &CancellationToken,
    ) -> Result<()> {
        for _ in 0..self.jobs.min(cells) {
            self.start()?;
        }
        ui.start(&progress.line());
        let mut failed = None;
        while !self.running.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = cancel.cancelled() => return Ok(()),
            }
            if progress.show(ui) {
                self.broken = 0;
            }
            for (status, log) in self.ended()? {
                match status.code() {
                    Some(0) => {}
                    // Somebody has stopped it, not us.
                    Some(code) if code == ExitCode::Interrupted as i32 => cancel.cancel(),
                    Some(code) if code == ExitCode::Infra as i32 || code == ExitCode::Usage as i32 => {
                        failed = Some(last_words(&log));
                    }
                    _ => self.again(status, &log, ui)?,
                }
            }
        }
        failed.map_or(Ok(()), |words| {
            Err(Error::infra(words).hint(format!("then: futon sweep resume {}", self.made.dir.display())))
        })
    }

    fn start(&mut self) -> Result<()> {
        let program = std::env::current_exe().context(|| "futon's own path".into())?;
        let logs = self.made.dir.join("logs");
        fs::create_dir_all(&logs).context(|| format!("cannot make {}", logs.display()))?;
        let log = logs.join(format!("{}-{}.log", self.tasks, self.started));
        self.started += 1;
        let to = File::options().create(true).append(true).open(&log);
        let to = to.context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(program)
            .args(["sweep", "work"])
            .arg(&self.made.dir)
            .args(["--tasks", &self.tasks.to_string(), "--task", "0", "--beside", &self.jobs.to_string()])
            // It ends when this program does.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(to)
            // Ctrl-C is for this program, which ends them.
            .process_group(0)
            .spawn()
            .context(|| "cannot start a worker".into())?;
        self.running.push((child, log));
        Ok(())
    }

    /// Takes those that have ended.
    fn ended(&mut self) -> Result<Vec<(ExitStatus, PathBuf)>> {
        let mut ended = Vec::new();
        let mut still = Vec::new();
        for (mut child, log) in self.running.drain(..) {
            match child.try_wait().context(|| "cannot ask for a worker".into())? {
                Some(status) => ended.push((status, log)),
                None => still.push((child, log)),
            }
        }
        self.running = still;
        Ok(ended)
    }

    /// Another in place of one that broke. The cell that it had counts as tried when the next one finds its claim.
    fn again(&mut self, status: ExitStatus, log: &Path, ui: &Ui) -> Result<()> {
        self.broken += 1;
        if self.broken > BROKEN {
            return Err(Error::infra(format!("{} workers broke one after another: the last {status}", self.broken))
                .hint(format!("its last words are in {}", log.display())));
        }
        ui.line(&format!("  a worker broke ({status}; {}): another goes on", log.display()));
        self.start()
    }

    /// Ends those that still run, and their machines.
    async fn end(&mut self) {
        // With their input they end in order. A signal beside it would be the second one, which ends a futon at once.
        for (child, _) in &mut self.running {
            drop(child.stdin.take());
        }
        let deadline = Instant::now() + GRACE;
        for (child, _) in &mut self.running {
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, child.wait()).await.is_err() {
                // Its machines' guards end with it.
                let _ = child.kill().await;
            }
        }
        self.running.clear();
    }
}

/// The last line that a worker wrote.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let line = text.lines().rev().find(|line| line.starts_with("error:"));
    line.map_or_else(
        || format!("a worker failed; see {}", log.display()),
        |line| line.trim_start_matches("error:").trim().to_owned(),
    )
}

/// Says who has begun workers, for `futon sweep cancel`.
struct Driver(PathBuf);

impl Driver {
    fn new(made: &Made, run: &str) -> Result<Self> {
        let folder = made.dir.join(DRIVERS);
        fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{run}.json"));
        let text = serde_json::to_vec(&Worker::this(run)).context(|| "this program".into())?;
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }

    fn forget(self) {
        let _ = fs::remove_file(self.0);
    }
}

/// Ends the futons that have begun workers here, which end their workers; returns how many there were.
pub async fn stop(made: &Made, ui: &mut Ui) -> Result<usize> {
    let here = Worker::this("");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(made.dir.join(DRIVERS)).into_iter().flatten().flatten() {
        let driver = fs::read(entry.path()).ok().and_then(|text| serde_json::from_slice::<Worker>(&text).ok());
        let Some(driver) = driver else { continue };
        match driver.process_is_there(&here) {
            Some(true) => drop(found.insert(driver.pid)),
            Some(false) => drop(fs::remove_file(entry.path())),
            None => ui.line(&format!("note: {} makes cells, too; end it there", driver.host)),
        }
    }
    for pid in &found {
        let pid = Pid::from_raw(i32::try_from(*pid).context(|| "a process's number".into())?);
        kill(pid, Signal::SIGTERM).context(|| format!("cannot end process {pid}"))?;
        let deadline = Instant::now() + GRACE + GRACE;
        while kill(pid, None).is_ok() && Instant::now() < deadline {
            tokio::time::sleep(TICK).await;
        }
    }
    Ok(found.len())
}
