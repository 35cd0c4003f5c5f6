//! Folders of runs, as CI jobs leave them: some levels below what one names.

use std::fs;
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result};

use super::load::REPORT_FILE;
use crate::SUITE_FILE;

/// Levels of folders that are looked into.
const DEEP: usize = 8;

/// The folders of runs among `dirs` and below. `out`, where an earlier merge may have written, is none of them, but what is below it may be.
///
/// # Errors
/// When a folder cannot be read, or one of `dirs` has no run.
pub(super) fn run_folders(dirs: &[PathBuf], out: &Path) -> Result<Vec<PathBuf>> {
    let out = fs::canonicalize(out).ok();
    let mut all = Vec::new();
    for dir in dirs {
        let folder = fs::canonicalize(dir).and_then(|folder| fs::read_dir(&folder).map(|_| folder)).map_err(|e| {
            Error::usage(format!("cannot read {}", dir.display()))
                .caused_by(e)
                .hint("name folders that `futon test --out DIR` wrote, or a folder above them")
        })?;
        let mut found = Vec::new();
        walk(&folder, out.as_deref(), DEEP, &mut found)?;
        if found.is_empty() {
            return Err(Error::usage(format!("{}: there is no run, with report.json and {SUITE_FILE}", dir.display()))
                .hint("name folders that `futon test --out DIR` wrote, or a folder above them"));
        }
        all.extend(found);
    }
    all.sort();
    all.dedup();
    Ok(all)
}

fn walk(folder: &Path, out: Option<&Path>, deep: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let is_run = folder.join(SUITE_FILE).is_file() || folder.join(REPORT_FILE).is_file();
    if is_run && out != Some(folder) {
        found.push(folder.to_owned());
        return Ok(());
    }
    if deep == 0 {
        return Ok(());
    }
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).context(failed)? {
        let entry = entry.context(failed)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // Links may lead anywhere, and in circles.
        if !hidden && entry.file_type().context(failed)?.is_dir() {
            walk(&entry.path(), out, deep - 1, found)?;
        }
    }
    Ok(())
}
