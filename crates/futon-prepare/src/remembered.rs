//! The machine's flags of `futon build`, kept in the working directory for `futon run`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use futon_cli::MachineArgs;
use futon_common::{Context, Error, Result};
use serde_json::Value;

const FILE: &str = "machine.json";

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

/// The flags of a run: those of its own command line, else those that the working directory was made with.
/// The given ones, if no `futon build` made the directory.
///
/// # Errors
/// When the stored flags cannot be read.
pub fn recall(dir: &Path, given: MachineArgs) -> Result<MachineArgs> {
    let path = dir.join(FILE);
    let Ok(text) = fs::read(&path) else { return Ok(given) };
    let malformed = |e: serde_json::Error| {
        Error::usage(format!("malformed {}", path.display()))
            .caused_by(e)
            .hint("`futon build` makes the directory again")
    };
    let kept: Value = serde_json::from_slice(&text).map_err(malformed)?;
    let explicit = given.explicit.clone();
    let merged = over(kept, &serde_json::to_value(&given).map_err(malformed)?, &explicit);
    Ok(MachineArgs { explicit, ..serde_json::from_value(merged).map_err(malformed)? })
}

/// The stored flags, except those on this command line and those that were never stored (`GEM5` of the environment).
fn over(kept: Value, given: &Value, explicit: &BTreeSet<String>) -> Value {
    let Value::Object(kept) = kept else { return kept };
    kept.into_iter()
        .map(|(name, kept)| {
            let value = match given.get(&name) {
                // The flags of gem5 are a group of their own, which has one of its name.
                Some(group @ Value::Object(_)) if kept.is_object() => over(kept, group, explicit),
                Some(given) if explicit.contains(&name) || kept.is_null() => given.clone(),
                _ => kept,
            };
            (name, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futon_cli::{Accel, Cli, Command, On};

    fn parsed(words: &[&str]) -> MachineArgs {
        match Cli::of_words(&[&["futon", "run"], words].concat()).unwrap().command {
            Command::Run(args) => args.machine,
            other => panic!("{other:?}"),
        }
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
        assert_eq!((run.kernel.unwrap(), run.vcpus, run.cold, run.on), ("/k".into(), Some(1), true, On::Gem5));
        assert!(run.base_image.unwrap().is_absolute());
        assert_eq!((run.gem5.cpu.to_string().as_str(), run.gem5.params.len()), ("o3", 1));
        // An explicit default overrides the stored flag.
        remember(dir, &parsed(&["--accel", "tcg", "--cold", "--boot-cpu", "kvm"])).unwrap();
        let run = recall(dir, parsed(&["--accel", "auto", "--boot-cpu", "atomic"])).unwrap();
        assert_eq!((run.accel, run.cold, run.gem5.boot_cpu.as_str()), (Accel::Auto, true, "atomic"));
        assert_eq!(recall(dir, parsed(&[])).unwrap().accel, Accel::Tcg);
        fs::write(dir.join(FILE), "{").unwrap();
        assert!(recall(dir, parsed(&[])).is_err());
    }
}
