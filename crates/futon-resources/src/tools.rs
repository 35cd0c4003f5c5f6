//! Guest tools: static binaries, built with futon and put into the resources folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use futon_common::{Context, Error, Result, Setup, installed_root, sha256_file};

use super::{FUTON_GUEST, Manifest, TEST_CLIENT};

/// Puts the guest tools that were installed with the running program, or stand beside it, into the resources folder. Returns the names of
/// those that were replaced.
///
/// # Errors
/// When they were not built, or the folder cannot be written.
pub fn install_tools(resources: &Path) -> Result<Vec<&'static str>> {
    let program = std::env::current_exe().context(|| "cannot find the path of futon's program".into())?;
    let installed = installed_root();
    let beside = installed.as_deref().or_else(|| program.parent()).unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(resources).context(|| format!("cannot make {}", resources.display()))?;
    let mut manifest = Manifest::read(resources)?;
    let mut replaced = Vec::new();
    for name in [FUTON_GUEST, TEST_CLIENT] {
        let built = beside.join(name);
        let sha256 = sha256_file(&built).map_err(|e| {
            Error::infra(format!("guest tool {name} was not built")).caused_by(e).hint(match Setup::here() {
                Setup::Source => "`make programs` builds it",
                Setup::Installed => "a part of the installation is missing: install futon again",
            })
        })?;
        let known = manifest.resources.get(name).is_some_and(|r| r.sha256 == sha256);
        if known && manifest.check(resources, name).is_none() {
            continue;
        }
        let target = resources.join(name);
        let failed = || format!("cannot write {}", target.display());
        let copy = tempfile::NamedTempFile::new_in(resources).context(failed)?;
        fs::copy(&built, copy.path()).context(failed)?;
        copy.persist(&target).context(failed)?;
        manifest.record(resources, name, "built with futon, static", &BTreeMap::new())?;
        replaced.push(name);
    }
    if !replaced.is_empty() {
        manifest.write(resources)?;
    }
    Ok(replaced)
}
