//! The lean guest's resources: its kernel and its initramfs, each built by a recipe and kept until an input changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result, sha256_file};
use tokio_util::sync::CancellationToken;

use super::build::{Built, Made, Recipe, absolute, recipe_files};
use super::{FUTON_GUEST, LEAN_CMDLINE, LEAN_INITRD, LEAN_KERNEL, LEAN_PACKAGES, Manifest, SECCOMP, TEST_CLIENT};

/// A part of the lean guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeanPart {
    /// The kernel, one vmlinux for QEMU and gem5.
    Kernel,
    /// The initramfs, its command line, and the seccomp profile of its containers.
    Guest,
}

impl LeanPart {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "lean kernel",
            Self::Guest => "lean guest",
        }
    }

    fn recipe(self) -> &'static str {
        match self {
            Self::Kernel => "images/kernel",
            Self::Guest => "images/lean",
        }
    }

    /// What the recipe makes: files that are checked, then files for people.
    fn files(self) -> (&'static [Made], &'static [Made]) {
        match self {
            Self::Kernel => (&[("vmlinux", LEAN_KERNEL)], &[("kernel.config", "lean-kernel.config")]),
            Self::Guest => (
                &[(LEAN_INITRD, LEAN_INITRD), (LEAN_CMDLINE, LEAN_CMDLINE), (SECCOMP, SECCOMP)],
                &[(LEAN_PACKAGES, LEAN_PACKAGES)],
            ),
        }
    }

    fn inputs(self, root: &Path, resources: &Path) -> Result<BTreeMap<String, String>> {
        let mut inputs = recipe_files(root, self.recipe())?;
        if self == Self::Guest {
            for tool in [FUTON_GUEST, TEST_CLIENT] {
                inputs.insert(tool.into(), sha256_file(&resources.join(tool))?);
            }
        }
        Ok(inputs)
    }
}

/// Builds a part of the lean guest into a resources folder unless it is up to date.
///
/// # Errors
/// When the recipe fails or is interrupted; the folder then holds what it held before.
pub async fn build_lean_part(
    resources: &Path,
    part: LeanPart,
    force: bool,
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<Built> {
    let (made, for_people) = part.files();
    let tool = |name: &str| absolute(&resources.join(name));
    let arguments = match part {
        LeanPart::Kernel => Vec::new(),
        LeanPart::Guest => vec!["--guest".into(), tool(FUTON_GUEST)?, "--client".into(), tool(TEST_CLIENT)?],
    };
    let recipe = Recipe { what: part.name(), folder: part.recipe(), made, for_people, arguments };
    recipe.build(resources, |root| part.inputs(root, resources), force, cancel, progress).await
}

/// The lean guest with what it takes to boot it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLean {
    /// Kernel.
    pub kernel: PathBuf,
    /// Initramfs.
    pub initrd: PathBuf,
    /// Kernel command line.
    pub cmdline: String,
    /// Docker's default seccomp profile.
    pub seccomp: PathBuf,
}

/// The lean guest in a resources folder, checked against the manifest by size and time stamp; a kernel or initrd that the
/// user names takes the place of the one there.
///
/// # Errors
/// When a part is missing or has changed since it was made, or the initramfs was made with other guest tools than those in the folder.
pub fn find_lean(
    resources: &Path,
    kernel: Option<&Path>,
    initrd: Option<&Path>,
    cmdline: Option<&str>,
) -> Result<FoundLean> {
    let manifest = Manifest::read(resources)?;
    let part = |name: &str, what: &str| -> Result<PathBuf> {
        let path = resources.join(name);
        let hint = format!("`futon resources build {what}` makes it");
        match manifest.check(resources, name) {
            Some(problem) => Err(Error::infra(format!("{}: {problem}", path.display())).hint(hint)),
            None if !path.is_file() => Err(Error::infra(format!("{} missing", path.display())).hint(hint)),
            None => Ok(path),
        }
    };
    let own = |given: &Path, flag: &str| -> Result<PathBuf> {
        if given.is_file() {
            return Ok(given.to_owned());
        }
        Err(Error::usage(format!("no such file: {}", given.display())).hint(format!("{flag} takes a file path")))
    };
    let kernel = match kernel {
        Some(given) => own(given, "--kernel")?,
        None => part(LEAN_KERNEL, "kernel")?,
    };
    let initrd = match initrd {
        Some(given) => own(given, "--initrd")?,
        None => {
            let path = part(LEAN_INITRD, "lean")?;
            if let Some(tool) = older_tool(&manifest) {
                return Err(Error::infra(format!(
                    "{} has another {tool} than this futon: run scripts and the guest would not understand each other",
                    path.display()
                ))
                .hint("`futon resources build lean` makes it anew"));
            }
            path
        }
    };
    let cmdline = match cmdline {
        Some(line) => line.to_owned(),
        None => {
            let path = part(LEAN_CMDLINE, "lean")?;
            fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?.trim().to_owned()
        }
    };
    Ok(FoundLean { kernel, initrd, cmdline, seccomp: part(SECCOMP, "lean")? })
}

/// A guest tool in the initramfs that is not the one in the folder, which came there with this futon.
fn older_tool(manifest: &Manifest) -> Option<&'static str> {
    let inputs = &manifest.resources.get(LEAN_INITRD)?.inputs;
    [FUTON_GUEST, TEST_CLIENT].into_iter().find(|tool| {
        let own = manifest.resources.get(*tool).map(|resource| &resource.sha256);
        inputs.get(*tool).zip(own).is_some_and(|(used, own)| used != own)
    })
}

#[cfg(test)]
mod tests {
    use futon_model::ExitCode;

    use super::*;
    use crate::find_base;

    #[test]
    fn a_guest_of_another_futon_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in [LEAN_KERNEL, LEAN_INITRD, LEAN_CMDLINE, SECCOMP, FUTON_GUEST, TEST_CLIENT] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let inputs = |guest: &str| {
            let digest = |of: &str| futon_common::sha256_bytes(of);
            BTreeMap::from([(FUTON_GUEST.into(), digest(guest)), (TEST_CLIENT.into(), digest(TEST_CLIENT))])
        };
        let mut manifest = Manifest::default();
        for tool in [FUTON_GUEST, TEST_CLIENT] {
            manifest.record(folder.path(), tool, "built", &BTreeMap::new()).unwrap();
        }
        let mut found = |guest: &str| {
            manifest.record(folder.path(), LEAN_INITRD, "made", &inputs(guest)).unwrap();
            manifest.write(folder.path()).unwrap();
            find_lean(folder.path(), None, None, None)
        };
        found(FUTON_GUEST).unwrap();
        let error = found("an older one").unwrap_err();
        assert!(error.to_string().contains("has another futon-guest than this futon"), "{error}");
        assert_eq!(error.hint_text(), Some("`futon resources build lean` makes it anew"));
        // The user's own may have any.
        let own = folder.path().join(LEAN_KERNEL);
        find_lean(folder.path(), None, Some(&own), None).unwrap();
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_lean(folder.path(), None, None, None).unwrap_err();
        assert!(error.to_string().contains(LEAN_KERNEL), "{error}");
        assert_eq!(error.hint_text(), Some("`futon resources build kernel` makes it"));
        for name in [LEAN_KERNEL, LEAN_INITRD, SECCOMP] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::write(folder.path().join(LEAN_CMDLINE), "quiet futon.lean\n").unwrap();
        assert_eq!(find_lean(folder.path(), None, None, None).unwrap().cmdline, "quiet futon.lean");
        // What a flag names is the user's.
        let (nothing, own) = (Some(Path::new("/no/such")), folder.path().join(LEAN_KERNEL));
        let errors = [
            find_lean(folder.path(), nothing, None, None).unwrap_err(),
            find_lean(folder.path(), None, nothing, None).unwrap_err(),
            find_base(folder.path(), None, nothing, None, None).unwrap_err(),
            find_base(folder.path(), None, Some(&own), nothing, None).unwrap_err(),
        ];
        assert!(errors.iter().all(|e| e.exit_code() == ExitCode::Usage && e.hint_text().is_some()), "{errors:?}");
    }
}
