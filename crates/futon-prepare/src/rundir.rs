//! Folders of runs: `runs/TIME`, with `runs/latest` pointing at the newest, and old ones pruned.

use std::fs::{self, File};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futon_common::{Error, Result};
use futon_workdir::FolderLock;

/// Folder of the runs that no --out names.
pub const RUNS: &str = "runs";

/// Link to the newest of them.
const LATEST: &str = "latest";

/// Runs that are kept.
const KEEP: usize = 20;

/// Rows of a simulated run: hours of work, which nobody removes unasked.
const ROWS: &str = "invocations.csv";

/// A run's folder. While it lives, no other futon takes the folder for an old one.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    in_use: InUse,
}

/// How others know that a folder is in use.
#[derive(Debug)]
#[allow(dead_code, reason = "held, not read")]
enum InUse {
    /// One that the user named, and may name again.
    Named(FolderLock),
    /// One that nobody else will name: locked only against being removed as an old one.
    Stamped(Option<File>),
}

impl Drop for RunFolder {
    /// A command that failed before it wrote anything leaves no folder behind, and `latest` where it was.
    fn drop(&mut self) {
        if matches!(self.in_use, InUse::Named(_)) || fs::remove_dir(&self.path).is_err() {
            return;
        }
        let runs = self.path.parent().unwrap_or_else(|| Path::new(RUNS));
        let newest = stamped(runs).pop();
        let latest = runs.join(LATEST);
        let _ = fs::remove_file(&latest);
        if let Some(name) = newest {
            let _ = std::os::unix::fs::symlink(name, &latest);
        }
    }
}

impl Deref for RunFolder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// Between a function's name and the number of an earlier attempt, or of one run of several, in the name of its folder.
const ATTEMPT: &str = ".attempt-";
const RUN: &str = ".run-";

/// Name of the folder that keeps an earlier attempt of a function.
pub fn attempt_of(function: &str, attempt: u32) -> String {
    format!("{function}{ATTEMPT}{attempt}")
}

/// Name of the folder of one of a function's several runs.
pub fn run_of(function: &str, run: u32) -> String {
    format!("{function}{RUN}{run}")
}

/// The function of which a folder of this name would be an earlier attempt, or one run of several.
pub fn function_of(folder: &str) -> Option<&str> {
    [ATTEMPT, RUN].iter().find_map(|between| {
        let (function, number) = folder.rsplit_once(between)?;
        number.bytes().all(|b| b.is_ascii_digit()).then_some(function)
    })
}

/// The folder the user named, or a new one below `runs/`. `doing` is the command that works there.
///
/// # Errors
/// When the folder cannot be made, or another futon works in it.
pub fn run_folder(given: Option<&Path>, doing: &str) -> Result<RunFolder> {
    if let Some(path) = given {
        return Ok(RunFolder { path: path.to_owned(), in_use: InUse::Named(FolderLock::take(path, doing)?) });
    }
    let runs = Path::new(RUNS);
    fs::create_dir_all(runs).map_err(|e| {
        Error::infra(format!("cannot make {}", runs.display()))
            .caused_by(e)
            .hint("run futon in a writable folder, or use `futon test` with --out DIR")
    })?;
    let stamp = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "-");
    let folder = (1..)
        .map(|n| if n == 1 { runs.join(&stamp) } else { runs.join(format!("{stamp}.{n}")) })
        .find(|folder| fs::create_dir(folder).is_ok() || !folder.exists())
        .unwrap_or_else(|| runs.join(&stamp));
    fs::create_dir_all(&folder).map_err(|e| {
        Error::infra(format!("cannot make {}", folder.display()))
            .caused_by(e)
            .hint("choose another folder with --out DIR")
    })?;
    // Without a lock, where the file system has none, it is merely younger than the others.
    let in_use = File::open(&folder).ok().filter(|file| file.try_lock_shared().is_ok());
    prune(runs);
    // For people; nothing depends on it.
    let latest = runs.join(LATEST);
    let _ = fs::remove_file(&latest);
    if let Some(name) = folder.file_name() {
        let _ = std::os::unix::fs::symlink(name, &latest);
    }
    Ok(RunFolder { path: folder, in_use: InUse::Stamped(in_use) })
}

/// The folders whose names are time stamps, the oldest first.
fn stamped(runs: &Path) -> Vec<String> {
    let is_stamp = |name: &String| name.len() >= 20 && name.as_bytes()[10] == b'T' && name.starts_with("20");
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).filter(is_stamp).collect();
    names.sort();
    names
}

/// Removes the oldest folders whose names are time stamps, but for those in use and those with rows; what futon did not name is left alone.
fn prune(runs: &Path) {
    let names = stamped(runs);
    let excess = names.len().saturating_sub(KEEP);
    for folder in names[..excess].iter().map(|name| runs.join(name)) {
        let in_use = File::open(&folder).is_ok_and(|file| file.try_lock().is_err());
        if !in_use && !folder.join(ROWS).exists() {
            // Another futon may be pruning, too.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_stays_empty_goes_and_the_link_goes_back() {
        let runs = tempfile::tempdir().unwrap();
        let (first, second) = ("2026-01-01T00-00-01Z", "2026-01-01T00-00-02Z");
        let made = |name: &str| {
            fs::create_dir(runs.path().join(name)).unwrap();
            RunFolder { path: runs.path().join(name), in_use: InUse::Stamped(None) }
        };
        let (kept, left) = (made(first), made(second));
        fs::write(kept.join("report.json"), "{}").unwrap();
        std::os::unix::fs::symlink(second, runs.path().join(LATEST)).unwrap();
        drop((kept, left));
        assert_eq!(fs::read_link(runs.path().join(LATEST)).unwrap(), Path::new(first));
        assert!(!runs.path().join(second).exists());
    }

    #[test]
    fn old_folders_go_unless_they_arein_use_or_have_rows() {
        let runs = tempfile::tempdir().unwrap();
        let folder = |n: usize| runs.path().join(format!("2026-01-01T00-00-{n:02}Z"));
        for n in 0..KEEP + 4 {
            fs::create_dir(folder(n)).unwrap();
        }
        fs::write(folder(1).join(ROWS), "").unwrap();
        let in_use = File::open(folder(2)).unwrap();
        in_use.lock_shared().unwrap();
        prune(runs.path());
        assert_eq!([0, 1, 2, 3, 4].map(|n| folder(n).exists()), [false, true, true, false, true]);
        // A child that another test forks just now may have the file, too.
        in_use.unlock().unwrap();
        prune(runs.path());
        assert!(!folder(2).exists() && folder(1).exists());
    }
}
