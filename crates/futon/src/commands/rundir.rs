//! Folders of runs: `runs/TIME`, with `runs/latest` pointing at the newest, and old ones pruned.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futon_host::{Context, Result};

const RUNS: &str = "runs";

/// Runs that are kept.
const KEEP: usize = 20;

/// The folder the user named, or a new one below `runs/`.
pub fn run_folder(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        fs::create_dir_all(path).context(|| format!("cannot make {}", path.display()))?;
        return Ok(path.to_owned());
    }
    let runs = Path::new(RUNS);
    fs::create_dir_all(runs).context(|| format!("cannot make {}", runs.display()))?;
    let stamp = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "-");
    let folder = (1..)
        .map(|n| if n == 1 { runs.join(&stamp) } else { runs.join(format!("{stamp}.{n}")) })
        .find(|folder| fs::create_dir(folder).is_ok() || !folder.exists())
        .unwrap_or_else(|| runs.join(&stamp));
    fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
    prune(runs);
    // For people; nothing depends on it.
    let latest = runs.join("latest");
    let _ = fs::remove_file(&latest);
    if let Some(name) = folder.file_name() {
        let _ = std::os::unix::fs::symlink(name, &latest);
    }
    Ok(folder)
}

/// Removes the oldest folders whose names are time stamps; what futon did not name is left alone.
fn prune(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else {
        return;
    };
    let stamped = |name: &str| name.len() >= 20 && name.as_bytes()[10] == b'T' && name.starts_with("20");
    let mut names: Vec<String> =
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|n| stamped(n)).collect();
    names.sort();
    let excess = names.len().saturating_sub(KEEP);
    for name in &names[..excess] {
        // Another futon may be pruning, too.
        let _ = fs::remove_dir_all(runs.join(name));
    }
}
