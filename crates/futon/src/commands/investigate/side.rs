//! The failed run, and the good one.

use std::fs;
use std::path::{Path, PathBuf};

use futon_cli::ContentArgs;
use futon_common::{Error, Result};
use futon_job::{JobFolder, JobFunction, is_job};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use crate::commands::report::{Stored, below};
use crate::commands::rerun::as_job;
use futon_prepare::rundir::RUNS;

/// Inputs of a cell that are the function's: their names, or how they begin.
const OF_THE_FUNCTION: [&str; 10] = [
    "function",
    "image ",
    "client ",
    "compose file",
    "files of the services",
    "file ",
    "calls",
    "run script",
    "checks and steps",
    "limits",
];

/// A run as a job, of which one function counts.
pub struct Side {
    /// The job.
    pub job: JobFolder,
    /// The function.
    pub function: JobFunction,
}

impl Side {
    /// A job as it is, or an earlier run as one.
    ///
    /// # Errors
    /// When it is neither, or the run cannot be repeated.
    pub async fn open(
        path: &Path,
        name: Option<&str>,
        resources: &Path,
        room: &Path,
        blobs: Option<&Path>,
        ui: &mut Ui,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let job = if is_job(path) {
            JobFolder::open(path, room, blobs)?
        } else {
            fs::create_dir_all(room)
                .map_err(|e| Error::infra(format!("cannot make {}", room.display())).caused_by(e))?;
            let target = room.join("job");
            let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
            as_job(path, &names, resources, &ContentArgs::HERE, &target, ui, cancel).await.map_err(|e| {
                let hint = "what ran then must still be here; a job has it all: `futon rerun RUN -o NAME.futon` after each good run";
                if e.hint_text().is_some() { e } else { e.hint(hint) }
            })?;
            JobFolder::open(&target, room, None)?
        };
        let functions = &job.job.functions;
        let wanted = |function: &&JobFunction| name.is_none_or(|name| function.plan.function == name);
        let mut found = functions.iter().filter(wanted);
        let function = match (found.next(), found.next()) {
            (Some(one), None) => one.clone(),
            (None, _) => {
                return Err(Error::usage(format!(
                    "{}: it has no function {}",
                    path.display(),
                    name.unwrap_or_default()
                )));
            }
            (Some(_), Some(_)) => {
                let names: Vec<&str> = functions.iter().map(|f| f.plan.function.as_str()).collect();
                return Err(Error::usage(format!("{}: which of {}?", path.display(), names.join(", ")))
                    .hint("name one: futon investigate RUN FUNCTION"));
            }
        };
        Ok(Self { job, function })
    }

    /// What of the cell is the function's: its image, compose file, calls and settings.
    pub fn shape(&self) -> Vec<(&String, &String)> {
        let is_the_functions =
            |name: &str| OF_THE_FUNCTION.iter().any(|of| name == *of || of.ends_with(' ') && name.starts_with(of));
        self.function.cell.inputs.iter().filter(|(name, _)| is_the_functions(name)).collect()
    }
}

/// The last run below `runs/` in which a function passed, other than the failed one.
pub fn last_good(name: &str, failed: &Path) -> Option<PathBuf> {
    let failed = fs::canonicalize(failed).ok();
    let is_failed =
        |run: &Path| failed.as_ref().zip(fs::canonicalize(run).ok()).is_some_and(|(f, run)| f.starts_with(run));
    let passed = |run: &Path| {
        let functions = Stored::read(run).map(|stored| stored.report.functions).unwrap_or_default();
        functions.iter().any(|f| f.name == name && f.verdict.is_pass() && f.cell.is_some())
    };
    below(Path::new(RUNS)).into_iter().rev().find(|run| !is_failed(run) && passed(run))
}
