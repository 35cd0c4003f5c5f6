//! Results, kept by cell. A cell is made in a folder of its worker's and renamed into place, whole and marked, when it has a verdict.
//!
//! ```text
//! cells/DIGEST/            a result: cell.json (the mark), report.json, logs
//! cells/.DIGEST.WORKER/    what a worker makes just now
//! claims/DIGEST.N          who makes it
//! attempts/DIGEST/         the last attempt that had no verdict
//! done.jsonl               a line for each result: only to count them quickly; rebuilt from the cells
//! attempts.jsonl           a line for each attempt without a verdict
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result, sha256_bytes};
use futon_model::{Cell, Code, ExitCode, FunctionReport, Outcome, Report};
use serde::{Deserialize, Serialize};

use crate::journal;

/// The mark of a result.
const MARK: &str = "cell.json";
const MARK_SCHEMA: &str = "futon.cell/1";
/// The report of a result.
const REPORT: &str = "report.json";

/// A folder of results.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// What is known of a result without reading its report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Digest of the cell.
    pub digest: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The step that decided it; absent for a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Why, for programs.
    pub code: Code,
    /// Time of the run, milliseconds.
    pub duration_ms: u64,
}

impl Done {
    /// The result of a run, unless it says nothing about the function: the host failed, or the run was not made, or the guest did not
    /// even boot. Such a cell stays open.
    #[must_use]
    pub fn of(digest: &str, report: &FunctionReport) -> Option<Self> {
        let decided = matches!(ExitCode::of(&report.verdict), ExitCode::Passed | ExitCode::Failed);
        let verdict = &report.verdict;
        (decided && verdict.outcome != Outcome::NotRun).then(|| Self {
            digest: digest.to_owned(),
            outcome: verdict.outcome,
            step: verdict.step.clone(),
            code: verdict.code,
            duration_ms: report.duration_ms,
        })
    }
}

/// An attempt that had no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Digest of the cell.
    pub digest: String,
    /// Who tried.
    pub worker: String,
    /// The call of futon, or the job, that it belongs to: attempts are counted anew with each.
    pub run: String,
    /// When it ended, RFC 3339, UTC.
    pub ended: String,
    /// Why it has no verdict.
    pub why: String,
    /// Whether somebody stopped it: that is no fault, and does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    schema: String,
    cell: Cell,
    done: Done,
    worker: String,
    /// SHA-256 of the report's file. Marks of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<String>,
}

impl Store {
    /// Opens a store, and makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self> {
        for name in ["cells", "claims", "attempts"] {
            let folder = root.join(name);
            fs::create_dir_all(&folder).map_err(|e| {
                Error::infra(format!("cannot make {}", folder.display()))
                    .caused_by(e)
                    .hint("choose a writable folder with --dir DIR or --store DIR")
            })?;
        }
        let root = root.canonicalize().context(|| format!("cannot open {}", root.display()))?;
        Ok(Self { root })
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a cell's result, whether or not it is there.
    #[must_use]
    pub fn folder(&self, digest: &str) -> PathBuf {
        self.root.join("cells").join(digest)
    }

    pub(crate) fn claims(&self) -> PathBuf {
        self.root.join("claims")
    }

    /// Whether a cell has a result.
    #[must_use]
    pub fn is_done(&self, digest: &str) -> bool {
        self.folder(digest).join(MARK).is_file()
    }

    /// The folder in which a worker makes a cell; emptied, because nobody else's is of that name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn workplace(&self, digest: &str, worker: &str) -> Result<PathBuf> {
        let place = self.place(digest, worker);
        let failed = || format!("cannot make {}", place.display());
        remove(&place)?;
        fs::create_dir(&place).context(failed)?;
        Ok(place)
    }

    fn place(&self, digest: &str, worker: &str) -> PathBuf {
        self.root.join("cells").join(format!(".{digest}.{worker}"))
    }

    /// Puts a result into its place: marks it, sees to it that it is on the disk, and renames it. False if there is one already: that one
    /// is kept.
    ///
    /// # Errors
    /// When it cannot be written; then there is no result.
    pub fn keep(&self, made: &Path, cell: &Cell, done: &Done, worker: &str) -> Result<bool> {
        let failed = || format!("cannot keep the result of a cell in {}", self.root.display());
        let mark = Mark {
            schema: MARK_SCHEMA.into(),
            cell: cell.clone(),
            done: done.clone(),
            worker: worker.to_owned(),
            report: Some(sha256_bytes(fs::read(made.join(REPORT)).context(failed)?)),
        };
        let mut file = File::create(made.join(MARK)).context(failed)?;
        file.write_all(&serde_json::to_vec_pretty(&mark).context(failed)?).context(failed)?;
        file.sync_all().context(failed)?;
        for name in [REPORT, "."] {
            File::open(made.join(name)).and_then(|file| file.sync_all()).context(failed)?;
        }
        let folder = self.folder(&done.digest);
        if folder.exists() && !self.is_done(&done.digest) {
            // Not by us: nothing gets this name without its mark.
            self.put_aside(&folder, &done.digest)?;
        }
        match fs::rename(made, &folder) {
            Ok(()) => {}
            Err(_) if self.is_done(&done.digest) => {
                remove(made)?;
                return Ok(false);
            }
            Err(e) => return Err(e).context(failed),
        }
        // Whoever counts finds the result without its line, too.
        let _ = journal::append(&self.done_file(), done);
        Ok(true)
    }

    /// Keeps what an attempt without a verdict has left, for people, in place of the one before.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn put_aside(&self, made: &Path, digest: &str) -> Result<()> {
        let aside = self.root.join("attempts").join(digest);
        remove(&aside)?;
        fs::rename(made, &aside).context(|| format!("cannot move {}", made.display()))
    }

    /// The same for what a worker has left that is gone.
    pub(crate) fn put_aside_of(&self, digest: &str, worker: &str) {
        let place = self.place(digest, worker);
        if place.exists() {
            // Only for people.
            let _ = self.put_aside(&place, digest);
        }
    }

    /// Notes an attempt without a verdict.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, attempt: &Attempt) -> Result<()> {
        journal::append(&self.attempts_file(), attempt)
    }

    /// All attempts without a verdict, the oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn attempts(&self) -> Result<Vec<Attempt>> {
        journal::read(&self.attempts_file())
    }

    /// Whether a cell has had its attempts in a run: the first and so many more.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn is_given_up(&self, digest: &str, run: &str, retries: u32) -> Result<bool> {
        let counts = |a: &&Attempt| a.digest == digest && a.run == run && !a.stopped;
        Ok(self.attempts()?.iter().filter(counts).count() > retries as usize)
    }

    /// All results, by digest. Only those that have no line yet are read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn done(&self) -> Result<BTreeMap<String, Done>> {
        let lines: Vec<Done> = journal::read(&self.done_file())?;
        let mut known: BTreeMap<String, Done> = lines.into_iter().map(|done| (done.digest.clone(), done)).collect();
        let (mut done, mut unknown) = (BTreeMap::new(), Vec::new());
        for digest in names_in(&self.root.join("cells"))? {
            if let Some(known) = known.remove(&digest) {
                done.insert(digest, known);
            } else if let Ok(mark) = self.mark(&digest) {
                unknown.push(mark.done.clone());
                done.insert(digest, mark.done);
            }
        }
        if !unknown.is_empty() {
            // For the next time.
            let _ = journal::append_all(&self.done_file(), &unknown);
        }
        Ok(done)
    }

    /// A cell's inputs, as they were when its result was made.
    ///
    /// # Errors
    /// When there is no result.
    pub fn cell(&self, digest: &str) -> Result<Cell> {
        Ok(self.mark(digest)?.cell)
    }

    fn mark(&self, digest: &str) -> Result<Mark> {
        read_json(&self.folder(digest).join(MARK))
    }

    /// A result's report. Its folder is where it is now.
    ///
    /// # Errors
    /// When there is none, it is damaged, or it is not the one that was put there: another cell's, or changed by hand.
    pub fn report(&self, digest: &str) -> Result<FunctionReport> {
        let folder = self.folder(digest);
        let path = folder.join(REPORT);
        let mark = self.mark(digest)?;
        let text = fs::read(&path).context(|| format!("cannot read {}", path.display()))?;
        let changed = |what: &str| {
            Error::infra(format!("{}: {what}", folder.display()))
                .hint("remove that folder; `futon sweep resume` makes the cell again")
        };
        if mark.cell.digest != digest || !mark.cell.is_whole() {
            return Err(changed("this is not the result of the cell that the folder is named after"));
        }
        if mark.report.is_some_and(|kept| kept != sha256_bytes(&text)) {
            return Err(changed("report.json was changed after the result was made"));
        }
        let report: Report = serde_json::from_slice(&text).context(|| format!("{} is malformed", path.display()))?;
        let mut functions = report.functions.into_iter();
        let (Some(mut function), None) = (functions.next(), functions.next()) else {
            return Err(Error::infra(format!("{} has not one function", path.display())));
        };
        if Done::of(digest, &function).is_none_or(|done| done != mark.done) {
            return Err(changed("report.json does not say what was noted when the result was made"));
        }
        function.folder = folder.join(&function.name).join("results").display().to_string();
        Ok(function)
    }

    /// The file of [`Done`] lines.
    #[must_use]
    pub fn done_file(&self) -> PathBuf {
        self.root.join("done.jsonl")
    }

    /// The file of [`Attempt`] lines.
    #[must_use]
    pub fn attempts_file(&self) -> PathBuf {
        self.root.join("attempts.jsonl")
    }
}

/// Names in a folder, but for those that begin with a dot.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let failed = || format!("cannot read {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).context(failed)? {
        let name = entry.context(failed)?.file_name();
        names.extend(name.to_str().filter(|name| !name.starts_with('.')).map(str::to_owned));
    }
    Ok(names)
}

/// Reads a JSON file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).context(|| format!("{} is malformed", path.display()))
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).context(|| format!("cannot remove {}", folder.display())),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
pub(crate) mod tests;
