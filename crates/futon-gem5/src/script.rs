//! The configuration scripts: part of the program, written out beside each run so that its command can be given again.

use std::fs;
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result, sha256_bytes};

/// futon's own scripts, by their paths in the configuration folder.
pub const FILES: [(&str, &str); 11] = [
    ("run.py", include_str!("../../../gem5/run.py")),
    ("futon_gem5/__init__.py", include_str!("../../../gem5/futon_gem5/__init__.py")),
    ("futon_gem5/options.py", include_str!("../../../gem5/futon_gem5/options.py")),
    ("futon_gem5/tables.py", include_str!("../../../gem5/futon_gem5/tables.py")),
    ("futon_gem5/platform.py", include_str!("../../../gem5/futon_gem5/platform.py")),
    ("futon_gem5/caches.py", include_str!("../../../gem5/futon_gem5/caches.py")),
    ("futon_gem5/skylake.py", include_str!("../../../gem5/futon_gem5/skylake.py")),
    ("futon_gem5/system.py", include_str!("../../../gem5/futon_gem5/system.py")),
    ("futon_gem5/drive.py", include_str!("../../../gem5/futon_gem5/drive.py")),
    ("futon_gem5/flush.py", include_str!("../../../gem5/futon_gem5/flush.py")),
    ("futon_gem5/checkpoints.py", include_str!("../../../gem5/futon_gem5/checkpoints.py")),
];

/// Asks gem5 what it is.
pub(super) const PROBE: &str = include_str!("../../../gem5/probe.py");

/// Scripts that shape the state which a checkpoint holds: the machine without cores, caches and memory controllers.
const SHAPE_STATE: [&str; 2] = ["futon_gem5/platform.py", "futon_gem5/system.py"];

/// Which script configures gem5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigScript {
    /// futon's own.
    Own,
    /// The user's; it keeps to the contract in docs/gem5.md.
    File(PathBuf),
}

/// Name of the main script in the configuration folder.
pub(super) fn main_file(script: &ConfigScript) -> &'static str {
    match script {
        ConfigScript::Own => "run.py",
        ConfigScript::File(_) => "user.py",
    }
}

/// Writes the scripts into a folder. A user's script finds futon's modules beside it.
pub(super) fn write_scripts(script: &ConfigScript, folder: &Path) -> Result<()> {
    for (name, text) in FILES {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))?;
    }
    if let ConfigScript::File(given) = script {
        let target = folder.join(main_file(script));
        fs::copy(given, &target).map_err(|e| {
            Error::usage(format!("cannot read {}", given.display()))
                .caused_by(e)
                .hint("--gem5-config takes the path of a gem5 configuration script")
        })?;
    }
    Ok(())
}

/// Digest of futon's own scripts.
pub(super) fn own_digest() -> String {
    let text: Vec<String> =
        FILES.iter().map(|(name, content)| format!("{name}\0{}\0{content}", content.len())).collect();
    format!("sha256:{}", sha256_bytes(text.concat()))
}

/// What of the scripts shapes a checkpoint.
pub(super) fn state_shape(script: &ConfigScript) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for (name, content) in FILES.iter().filter(|(name, _)| SHAPE_STATE.contains(name)) {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(content.as_bytes());
    }
    if let ConfigScript::File(path) = script {
        text.extend(fs::read(path).context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gem5");
        let mut there: Vec<String> = fs::read_dir(root.join("futon_gem5"))
            .unwrap()
            .flatten()
            .map(|e| format!("futon_gem5/{}", e.file_name().to_string_lossy()))
            .filter(|name| name.ends_with(".py"))
            .collect();
        there.push("run.py".into());
        there.sort();
        let mut known: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        known.sort();
        assert_eq!(known, there);
    }

    #[test]
    fn a_users_script_stands_beside_futons() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("mine.py");
        fs::write(&own, "print(1)\n").unwrap();
        let target = folder.path().join("config");
        write_scripts(&ConfigScript::File(own.clone()), &target).unwrap();
        assert!(target.join("user.py").exists() && target.join("futon_gem5/drive.py").exists());
        assert!(write_scripts(&ConfigScript::File(folder.path().join("no.py")), &target).is_err());
        let (a, b) = (state_shape(&ConfigScript::Own).unwrap(), state_shape(&ConfigScript::File(own)).unwrap());
        assert_ne!(a, b);
    }
}
