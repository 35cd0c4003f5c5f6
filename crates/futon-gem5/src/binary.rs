//! The gem5 program, which futon does not include. `GEM5` names it, or it is `$RESOURCES/gem5`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futon_common::{Context, Error, Result, stamp};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::event::PREFIX;
use super::script;

/// How long gem5 may take to say what it is; debug builds are slow to start.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// File in the resources folder that keeps what the last probe found.
const CACHE: &str = ".gem5-probe.json";

/// A gem5 program and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gem5 {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Whether it was built with KVM cores.
    pub kvm: bool,
    /// Size and time stamp of the file: a checkpoint belongs to one build.
    pub identity: String,
}

#[derive(Debug, Deserialize)]
struct Probe {
    version: String,
    x86: bool,
    kvm: bool,
}

/// Finds the program: `given` (the environment's `GEM5`), else `gem5` in the resources folder: a file, or a folder
/// with a build in it.
///
/// # Errors
/// When there is none.
pub fn find_gem5(given: Option<&Path>, resources: &Path) -> Result<PathBuf> {
    let missing = |what: String| {
        Error::infra(what).hint(
            "build gem5 for X86 as its documentation says, then set GEM5=/path/to/gem5.fast or link it to \
             resources/gem5; docs/gem5.md has more",
        )
    };
    if let Some(path) = given {
        if !path.is_file() {
            return Err(missing(format!("gem5 missing: GEM5 names {}, which is not a file", path.display())));
        }
        return std::path::absolute(path).context(|| format!("path of {}", path.display()));
    }
    let place = resources.join("gem5");
    let found = if place.is_file() { Some(place.clone()) } else { built_below(&place) };
    let found = found.ok_or_else(|| {
        missing(format!(
            "gem5 missing: GEM5 is not set, and {} is neither a program nor a built source",
            place.display()
        ))
    })?;
    std::path::absolute(&found).context(|| format!("path of {}", found.display()))
}

/// `build/*/gem5.{fast,opt,debug}`, the fastest first.
fn built_below(folder: &Path) -> Option<PathBuf> {
    let mut builds: Vec<PathBuf> =
        fs::read_dir(folder.join("build")).ok()?.flatten().map(|entry| entry.path()).collect();
    // An X86 build is preferred; the probe decides.
    builds.sort_by_key(|path| (!path.to_string_lossy().contains("X86"), path.clone()));
    ["gem5.fast", "gem5.opt", "gem5.debug"]
        .iter()
        .flat_map(|name| builds.iter().map(move |build| build.join(name)))
        .find(|path| path.is_file())
}

/// Asks the program what it is. What an earlier probe found is believed as long as the file is the same.
///
/// # Errors
/// When it does not start, is no gem5, or cannot simulate X86.
pub async fn probe_gem5(path: &Path, resources: &Path) -> Result<Gem5> {
    let identity = identity(path)?;
    let cache = resources.join(CACHE);
    let known = fs::read(&cache).ok().and_then(|text| serde_json::from_slice::<Gem5>(&text).ok());
    if let Some(gem5) = known.filter(|g| g.path == path && g.identity == identity) {
        return Ok(gem5);
    }
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
    let file = folder.path().join("probe.py");
    fs::write(&file, script::PROBE).context(|| format!("cannot write {}", file.display()))?;
    let run = Command::new(path)
        .arg("-d")
        .arg(folder.path().join("m5out"))
        .arg(&file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let shown = path.display();
    let output = tokio::time::timeout(PROBE_LIMIT, run)
        .await
        .map_err(|_| {
            Error::infra(format!("{shown} did not print its version within {} s", PROBE_LIMIT.as_secs()))
                .hint("is it gem5? Run it by hand with --version")
        })?
        .map_err(|e| Error::infra(format!("cannot start {shown}")).caused_by(e).hint("does GEM5 name a program?"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let probe = text.lines().find_map(|l| serde_json::from_str::<Probe>(l.strip_prefix(PREFIX)?).ok());
    let Some(probe) = probe else {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().chain(text.lines()).rfind(|l| !l.trim().is_empty()).unwrap_or("nothing");
        return Err(Error::infra(format!("{shown} is not a gem5 that futon knows; its output: {}", last.trim()))
            .hint("are libraries missing? Run it by hand with --version"));
    };
    if !probe.x86 {
        return Err(Error::infra(format!("{shown} (version {}) cannot simulate X86", probe.version))
            .hint("build gem5 with X86 (build/X86/gem5.fast, or build/ALL/gem5.fast) and set GEM5 to it"));
    }
    let gem5 = Gem5 { path: path.to_owned(), version: probe.version, kvm: probe.kvm, identity };
    // A folder that cannot be written to costs the next run a second.
    if let Ok(text) = serde_json::to_vec_pretty(&gem5) {
        let _ = fs::write(cache, text);
    }
    Ok(gem5)
}

fn identity(path: &Path) -> Result<String> {
    let (size, modified) = stamp(path).context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("{size}-{modified}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("gem5");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn what_is_no_gem5_for_x86_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("echo hello", "is not a gem5 that futon knows; its output: hello"),
            ("echo 'error while loading shared libraries' >&2; exit 127", "shared libraries"),
            (
                r#"echo 'futon-event: {"event":"probe","version":"24.0","x86":false,"kvm":false,"ruby":false}'"#,
                "cannot simulate X86",
            ),
        ] {
            let path = program(folder.path(), text);
            let error = probe_gem5(&path, folder.path()).await.unwrap_err();
            assert!(error.to_string().contains(why) && error.hint_text().is_some(), "{error}");
        }
        let good = r#"echo 'futon-event: {"event":"probe","version":"24.0","x86":true,"kvm":true,"ruby":true}'"#;
        let gem5 = probe_gem5(&program(folder.path(), good), folder.path()).await.unwrap();
        assert!(gem5.kvm && gem5.version == "24.0");
        assert!(folder.path().join(CACHE).exists());
    }

    #[test]
    fn it_is_found_where_it_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let resources = folder.path();
        let error = find_gem5(None, resources).unwrap_err();
        assert!(error.to_string().contains("gem5 missing") && error.hint_text().is_some());
        assert!(find_gem5(Some(&resources.join("nothing")), resources).is_err());
        for name in ["ARM/gem5.fast", "X86/gem5.opt", "X86/gem5.fast"] {
            let path = resources.join("gem5/build").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
        }
        assert!(find_gem5(None, resources).unwrap().ends_with("X86/gem5.fast"));
    }
}
