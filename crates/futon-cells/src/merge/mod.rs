//! Merging runs of parts of a suite into one: only if the parts prove that nothing is missing, differs or was altered.

mod check;
mod find;
mod join;
mod load;
mod problem;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use futon_common::{Error, Result};

pub use join::{Merged, relative};
pub use problem::{Difference, Place, Problem, Said};

/// Merges the runs whose folders are `dirs`, or lie below them, into a report that will be in `out`: the merged results, or everything
/// that speaks against it. Nothing is written.
///
/// # Errors
/// When a folder cannot be read, or there is no run in it.
pub fn merge(dirs: &[PathBuf], out: &Path) -> Result<Result<Merged, Vec<Problem>>> {
    let folders = find::run_folders(dirs, out)?;
    let (mut runs, mut problems) = (Vec::new(), Vec::new());
    for folder in &folders {
        match load::run(folder) {
            Ok(run) => runs.push(run),
            Err(problem) => problems.push(*problem),
        }
    }
    runs.sort_by(|one, other| (one.suite.shard, &one.folder).cmp(&(other.suite.shard, &other.folder)));
    if runs.is_empty() && problems.is_empty() {
        return Err(Error::usage("there is no run to merge").hint("name folders that `futon test --out DIR` wrote"));
    }
    let dead: Vec<_> = problems.iter().filter_map(Problem::shard).collect();
    problems.extend(check::check(&runs, &dead));
    Ok(if problems.is_empty() { Ok(join::join(runs)?) } else { Err(problems) })
}
