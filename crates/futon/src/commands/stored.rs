//! The machine's flags of `futon build`, kept in the working directory for `futon run`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use futon_host::{Context, Error, Result};
use serde_json::Value;

use crate::cli::MachineArgs;

const FILE: &str = "machine.json";

/// A command line with nothing on it.
#[derive(Debug, Parser)]
struct Nothing {
    #[command(flatten)]
    machine: MachineArgs,
}

/// Keeps the flags in a working directory.
///
/// # Errors
/// When the file cannot be written.
pub fn remember(dir: &Path, machine: &MachineArgs) -> Result<()> {
    let mut machine = machine.clone();
    let files = [&mut machine.base_image, &mut machine.kernel, &mut machine.initrd, &mut machine.gem5.gem5];
    for path in files.into_iter().chain([&mut machine.gem5.gem5_config]).flatten() {
        // The run may begin in another folder.
        *path = std::path::absolute(&path).unwrap_or_else(|_| PathBuf::from(&path));
    }
    let path = dir.join(FILE);
    let text = serde_json::to_vec_pretty(&machine).context(|| format!("cannot write {}", path.display()))?;
    fs::write(&path, text).context(|| format!("cannot write {}", path.display()))
}

/// The flags of a run: those of its own command line, and where that says nothing those that the working directory was made with.
/// Those given, where no `futon build` made it.
///
/// # Errors
/// When what was kept cannot be read.
pub fn recall(dir: &Path, given: MachineArgs) -> Result<MachineArgs> {
    let path = dir.join(FILE);
    let Ok(text) = fs::read(&path) else { return Ok(given) };
    let malformed = |e: serde_json::Error| {
        Error::usage(format!("malformed {}", path.display()))
            .caused_by(e)
            .hint("`futon build` makes the directory anew")
    };
    let kept: Value = serde_json::from_slice(&text).map_err(malformed)?;
    let value = |machine: &MachineArgs| serde_json::to_value(machine).map_err(malformed);
    let merged = over(kept, value(&given)?, &value(&Nothing::parse_from(["futon"]).machine)?);
    serde_json::from_value(merged).map_err(malformed)
}

/// `given` where it differs from `default`, else `kept`.
fn over(kept: Value, given: Value, default: &Value) -> Value {
    match (kept, given) {
        (Value::Object(kept), Value::Object(given)) => {
            let of = |name: &str| default.get(name).cloned().unwrap_or_default();
            kept.into_iter()
                .map(|(name, kept)| {
                    let value = given.get(&name).cloned().unwrap_or_else(|| kept.clone());
                    let value = over(kept, value, &of(&name));
                    (name, value)
                })
                .collect()
        }
        (kept, given) => {
            if given == *default {
                kept
            } else {
                given
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> MachineArgs {
        Nothing::parse_from([&["futon"], words].concat()).machine
    }

    #[test]
    fn a_run_has_the_machine_that_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert_eq!(recall(dir, parsed(&["--vcpus", "3"])).unwrap(), parsed(&["--vcpus", "3"]));
        let built =
            ["--kernel", "/k", "--base-image", "mine.qcow2", "--vcpus", "4", "--cold", "--on", "gem5", "--cpu", "o3"];
        remember(dir, &parsed(&built)).unwrap();
        let run = recall(dir, parsed(&["--vcpus", "1", "--param", "l2.size=2MB"])).unwrap();
        assert_eq!((run.kernel.unwrap(), run.vcpus, run.cold, run.on.as_str()), ("/k".into(), Some(1), true, "gem5"));
        assert!(run.base_image.unwrap().is_absolute());
        assert_eq!((run.gem5.cpu.to_string().as_str(), run.gem5.params.len()), ("o3", 1));
        fs::write(dir.join(FILE), "{").unwrap();
        assert!(recall(dir, parsed(&[])).is_err());
    }
}
