//! Slurm's own commands: job arrays by `sbatch`, their state by `squeue`, what became of them by `sacct` or `scontrol`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use futon_common::{Context, Error, Result};

/// What a task asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// Processors.
    pub cores: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Time limit, minutes; absent: the partition's.
    pub minutes: Option<u64>,
}

/// A job array that is to be handed over.
#[derive(Debug)]
pub struct Array<'a> {
    /// Name of the job.
    pub name: &'a str,
    /// Number of tasks.
    pub tasks: usize,
    /// Tasks that run at the same time, at most.
    pub at_once: Option<u32>,
    /// What each task asks for.
    pub needs: &'a Needs,
    /// The folder in which it starts.
    pub folder: &'a Path,
    /// Where its tasks' own output goes; with `%A` and `%a`.
    pub output: PathBuf,
    /// More arguments of `sbatch`.
    pub arguments: &'a [String],
    /// The script.
    pub script: &'a str,
}

/// A task that Slurm has in its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Number of the array's job.
    pub job: String,
    /// Number of the task in the array.
    pub task: u32,
    /// State, as in `RUNNING`.
    pub state: String,
    /// Why it waits.
    pub reason: String,
    /// Name of the job.
    pub name: String,
}

impl Queued {
    /// The task as Slurm's commands name it, as in `123_4`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}_{}", self.job, self.task)
    }

    /// Whether it runs, or is about to end.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(
            self.state.as_str(),
            "RUNNING" | "COMPLETING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "STAGE_OUT"
        )
    }

    /// Whether it will never begin by itself: Slurm could not start it, and holds it until somebody looks.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.state == "PENDING" && self.reason.to_lowercase().contains("requeued held")
    }
}

/// Slurm's commands.
#[derive(Debug, Clone)]
pub struct Slurm(());

impl Slurm {
    /// Looks for them.
    ///
    /// # Errors
    /// Which one is missing.
    pub fn find() -> Result<Self> {
        for name in ["sbatch", "squeue", "scontrol", "scancel"] {
            let path = std::env::var_os("PATH").unwrap_or_default();
            if !std::env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
                return Err(Error::infra(format!("there is no {name} on PATH"))
                    .hint("run it where Slurm's commands are, a login node, or use --executor local"));
            }
        }
        Ok(Self(()))
    }

    /// Tasks of an array, at most.
    ///
    /// # Errors
    /// When the controller does not answer.
    pub fn max_array_size(&self) -> Result<usize> {
        let text = run("scontrol", ["show", "config"])?;
        max_array_size(&text).ok_or_else(|| Error::infra("scontrol show config has no MaxArraySize"))
    }

    /// Hands an array over; returns its job's number.
    ///
    /// # Errors
    /// When Slurm refuses it.
    pub fn submit(&self, array: &Array<'_>) -> Result<String> {
        let mut command = Command::new("sbatch");
        command.args(arguments(array)).current_dir(array.folder).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = || "cannot run sbatch".to_owned();
        let mut child = command.spawn().context(failed)?;
        if let Some(mut input) = child.stdin.take() {
            use std::io::Write;
            // If it does not read, its message says why.
            let _ = input.write_all(array.script.as_bytes());
        }
        let output = checked("sbatch", &child.wait_with_output().context(failed)?)?;
        job_number(&output).ok_or_else(|| Error::infra(format!("sbatch says {:?}, not a job's number", output.trim())))
    }

    /// This user's tasks in the queue whose job's name begins with `prefix`.
    ///
    /// # Errors
    /// When the controller does not answer.
    pub fn queue(&self, prefix: &str) -> Result<Vec<Queued>> {
        let text = run("squeue", ["--me", "--noheader", "--array", "--format", FORMAT])?;
        Ok(queued(&text).into_iter().filter(|task| task.name.starts_with(prefix)).collect())
    }

    /// Cancels jobs or tasks.
    ///
    /// # Errors
    /// When Slurm refuses it.
    pub fn cancel(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        run("scancel", ids).map(drop)
    }

    /// What became of the tasks of jobs, by task, as in `TIMEOUT`: from accounting where there is some, else what the controller still knows.
    #[must_use]
    pub fn ends(&self, jobs: &[String]) -> BTreeMap<String, String> {
        if jobs.is_empty() {
            return BTreeMap::new();
        }
        let list = jobs.join(",");
        let accounted =
            run("sacct", ["-n", "-P", "-X", "-o", "JobID,State", "-j", &list]).map(|text| sacct_states(&text));
        match accounted {
            Ok(states) if !states.is_empty() => states,
            // No accounting: not everyone has it.
            _ => jobs
                .iter()
                .filter_map(|job| run("scontrol", ["show", "job", "--oneliner", job]).ok())
                .flat_map(|text| scontrol_states(&text))
                .collect(),
        }
    }
}

const FORMAT: &str = "%F|%K|%T|%r|%j";

fn arguments(array: &Array<'_>) -> Vec<String> {
    let last = array.tasks.saturating_sub(1);
    let throttle = array.at_once.map(|at_once| format!("%{at_once}")).unwrap_or_default();
    let mut arguments = vec![
        "--parsable".to_owned(),
        format!("--array=0-{last}{throttle}"),
        "--requeue".into(),
        "--open-mode=append".into(),
        format!("--job-name={}", array.name),
        format!("--chdir={}", array.folder.display()),
        format!("--output={}", array.output.display()),
        "--nodes=1".into(),
        "--ntasks=1".into(),
        format!("--cpus-per-task={}", array.needs.cores),
        format!("--mem={}M", array.needs.memory_mib),
    ];
    arguments.extend(array.needs.minutes.map(|minutes| format!("--time={minutes}")));
    // The user's come last: they win.
    arguments.extend(array.arguments.iter().cloned());
    arguments
}

/// Minutes of a time limit, rounded up.
#[must_use]
pub fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60).max(1)
}

fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    checked(program, &output.context(|| format!("cannot run {program}"))?)
}

fn checked(program: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let error = Error::infra(format!("{program} failed: {}", futon_common::text::one_line(&said)));
    let lost = ["Unable to contact slurm controller", "Connection refused", "Socket timed out"];
    Err(if lost.iter().any(|words| said.contains(words)) {
        error.hint("Slurm's controller does not answer; what was handed over goes on, try again later")
    } else if said.contains("Memory specification can not be satisfied") {
        error.hint("where Slurm knows no memory of its nodes, put \"--mem=0\" among the arguments in [slurm]; else see memory in [resources]")
    } else {
        error
    })
}

fn max_array_size(config: &str) -> Option<usize> {
    let line = config.lines().find(|line| line.starts_with("MaxArraySize"))?;
    // Numbers of tasks are smaller than this.
    line.split_once('=')?.1.trim().parse().ok().filter(|size| *size > 0)
}

/// `JOB`, or `JOB;CLUSTER`.
fn job_number(text: &str) -> Option<String> {
    let number = text.trim().lines().last()?.split(';').next()?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then(|| number.to_owned())
}

fn queued(text: &str) -> Vec<Queued> {
    let parse = |line: &str| {
        let mut fields = line.splitn(5, '|').map(str::trim);
        let (job, task) = (fields.next()?.to_owned(), fields.next()?.parse().ok()?);
        let (state, reason) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        Some(Queued { job, task, state, reason, name: fields.next()?.to_owned() })
    };
    text.lines().filter_map(parse).collect()
}

/// `123_4|TIMEOUT`, `123_5|CANCELLED by 0`.
fn sacct_states(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (id, state) = line.split_once('|')?;
        Some((id.trim().to_owned(), state.split_whitespace().next()?.to_owned()))
    };
    text.lines().filter_map(pair).filter(|(id, _)| !id.contains('[')).collect()
}

fn scontrol_states(text: &str) -> BTreeMap<String, String> {
    let state = |line: &str| {
        let field = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name));
        let (job, task) = (field("ArrayJobId=")?, field("ArrayTaskId=")?);
        Some((format!("{job}_{task}"), field("JobState=")?.to_owned()))
    };
    text.lines().filter_map(state).filter(|(id, _)| !id.contains(['-', ','])).collect()
}

#[cfg(test)]
#[path = "slurm_tests.rs"]
mod tests;
