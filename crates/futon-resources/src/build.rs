//! Builds the docker base: image, kernel, initrd. Up to date means that nothing it is made from has changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futon_common::{Context, Error, Result, Setup, sha256_bytes, sha256_file};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{BASE_IMAGE, CMDLINE, FUTON_GUEST, INITRD, KERNEL, Manifest, PACKAGES, source_root};

/// How to build the base.
#[derive(Debug, Clone)]
pub struct BaseOptions {
    /// Virtual size of the disk, as `mke2fs` and `truncate` take it (`8G`).
    pub disk_size: String,
    /// Build even when all is up to date.
    pub force: bool,
}

/// What came of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// Nothing had changed.
    UpToDate,
    /// It was built, and why.
    Made(String),
}

const PARTS: [&str; 4] = [BASE_IMAGE, KERNEL, INITRD, CMDLINE];

/// Lines of the recipe's output that an error shows.
const TAIL: usize = 15;

/// Builds the docker base into a resources folder unless it is up to date.
///
/// # Errors
/// When the recipe fails or is interrupted; the folder then holds what it held before.
pub async fn build_base(
    resources: &Path,
    options: &BaseOptions,
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<Built> {
    let inputs = |root: &Path| inputs(root, resources, options);
    let recipe = Recipe {
        what: "docker base",
        folder: "images/base",
        made: &PARTS.map(|name| (name, name)),
        for_people: &[(PACKAGES, PACKAGES)],
        arguments: vec![
            "--guest".into(),
            absolute(&resources.join(FUTON_GUEST))?,
            "--size".into(),
            (&options.disk_size).into(),
        ],
    };
    recipe.build(resources, inputs, options.force, cancel, progress).await
}

/// A file that a recipe makes, and the name it gets among the resources.
pub(super) type Made = (&'static str, &'static str);

/// A recipe: a folder with a `build.sh`.
pub(super) struct Recipe<'a> {
    /// What people call that which it makes.
    pub(super) what: &'static str,
    /// Its folder in the source tree.
    pub(super) folder: &'static str,
    /// What it makes.
    pub(super) made: &'a [Made],
    /// What it makes besides: kept when it is there.
    pub(super) for_people: &'a [Made],
    /// Arguments of the script beside `--work` and `--out`.
    pub(super) arguments: Vec<PathBuf>,
}

impl Recipe<'_> {
    /// Makes what the recipe makes unless it is up to date; puts it into place and into the manifest when all of it is there.
    pub(super) async fn build(
        &self,
        resources: &Path,
        inputs: impl FnOnce(&Path) -> Result<BTreeMap<String, String>>,
        force: bool,
        cancel: &CancellationToken,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Built> {
        let root = source_root()?;
        fs::create_dir_all(resources).context(|| format!("cannot make {}", resources.display()))?;
        let _lock = lock(resources, progress)?;
        let inputs = inputs(&root)?;
        let names: Vec<&str> = self.made.iter().map(|(_, name)| *name).collect();
        let mut manifest = Manifest::read(resources)?;
        let reason =
            if force { Some("--force was given".to_owned()) } else { stale(&manifest, resources, &names, &inputs) };
        let Some(reason) = reason else { return Ok(Built::UpToDate) };
        progress(&format!("building the {}: {reason}", self.what));

        let name = self.folder.rsplit('/').next().unwrap_or_default();
        let work = resources.join(".work").join(name);
        fs::create_dir_all(&work).context(|| format!("cannot make {}", work.display()))?;
        let out = fresh_folder(resources, &format!(".making-{name}-"))?;
        let script = format!("{}/build.sh", self.folder);
        let mut command = Command::new("sh");
        command.arg(root.join(&script)).arg("--work").arg(absolute(&work)?).arg("--out").arg(absolute(out.path())?);
        command.args(&self.arguments);
        run_recipe(command, &script, cancel, progress).await?;

        for (made, name) in self.made {
            let target = resources.join(name);
            fs::rename(out.path().join(made), &target)
                .context(|| format!("the recipe did not make {made}, or {} cannot be written", target.display()))?;
        }
        for (made, name) in self.for_people {
            let _ = fs::rename(out.path().join(made), resources.join(name));
        }
        for name in &names {
            progress(&format!("hashing {name}"));
            manifest.record(resources, name, &format!("{script}, from Debian's packages"), &inputs)?;
        }
        // Other entries may have changed while the recipe ran.
        let mut newest = Manifest::read(resources)?;
        newest.resources.extend(manifest.resources.into_iter().filter(|(name, _)| names.contains(&name.as_str())));
        newest.write(resources)?;
        Ok(Built::Made(reason))
    }
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).context(|| format!("path of {}", path.display()))
}

/// A folder for what a recipe makes, beside the place where it goes. Takes away what a killed builder left; the caller holds
/// [`lock`], so nobody else's is in use.
fn fresh_folder(resources: &Path, prefix: &str) -> Result<TempDir> {
    let failed = || format!("cannot write in {}", resources.display());
    for entry in fs::read_dir(resources).context(failed)? {
        let entry = entry.context(failed)?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path()).context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    tempfile::Builder::new().prefix(prefix).tempdir_in(resources).context(failed)
}

/// One builder at a time in a folder; a second one waits and says so.
fn lock(resources: &Path, progress: &mut (dyn FnMut(&str) + Send)) -> Result<File> {
    let path = resources.join(".lock");
    let failed = || format!("cannot lock {}", path.display());
    let file = File::options().create(true).append(true).open(&path).context(failed)?;
    if file.try_lock().is_err() {
        progress("waiting for another futon to build resources here");
        file.lock().context(failed)?;
    }
    Ok(file)
}

/// What the base is made from: every file of the recipe, the guest tool in it, the options.
fn inputs(root: &Path, resources: &Path, options: &BaseOptions) -> Result<BTreeMap<String, String>> {
    let mut inputs = recipe_files(root, "images/base")?;
    inputs.insert(FUTON_GUEST.into(), sha256_file(&resources.join(FUTON_GUEST))?);
    inputs.insert("--disk-size".into(), sha256_bytes(&options.disk_size));
    Ok(inputs)
}

/// Every file of a recipe's folder with its hash.
pub(super) fn recipe_files(root: &Path, folder: &str) -> Result<BTreeMap<String, String>> {
    let mut inputs = BTreeMap::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry.context(|| format!("cannot read {}", folder.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|e| e != "md") {
                let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                inputs.insert(name, sha256_file(&path)?);
            }
        }
    }
    Ok(inputs)
}

/// Why parts must be built; nothing when they need not.
fn stale(manifest: &Manifest, resources: &Path, parts: &[&str], inputs: &BTreeMap<String, String>) -> Option<String> {
    for name in parts {
        let Some(resource) = manifest.resources.get(*name) else { return Some(format!("{name} was missing")) };
        if let Some(problem) = manifest.check(resources, name) {
            return Some(format!("{name} is {problem}"));
        }
        let changed: Vec<&str> = inputs
            .iter()
            .filter(|(input, hash)| resource.inputs.get(*input) != Some(hash))
            .map(|(input, _)| input.as_str())
            .chain(resource.inputs.keys().filter(|input| !inputs.contains_key(*input)).map(String::as_str))
            .collect();
        if !changed.is_empty() {
            return Some(format!("changed since the last build: {}", changed.join(", ")));
        }
    }
    None
}

/// Runs a recipe in its own process group, passes its output on, and ends the group when it is cancelled.
pub(crate) async fn run_recipe(
    mut command: Command,
    name: &str,
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    // A recipe leaves nothing in the user's home, and reads no settings there. The folder must be there and writable: buildah 1.28 puts a
    // lock below it, and 1.39 makes it.
    let settings = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
    command.env("XDG_CONFIG_HOME", settings.path());
    // SAFETY: between fork and exec, prctl(2) alone, which is async-signal-safe. A recipe must not outlive a futon that was killed: the
    // next one would start another in the same folder.
    unsafe {
        command.pre_exec(|| nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM).map_err(Into::into));
    }
    let mut child = command.spawn().context(|| format!("cannot run {name}"))?;
    let stderr = child.stderr.take().ok_or_else(|| Error::infra(format!("{name} has no output pipe")))?;
    let mut lines = BufReader::new(stderr).split(b'\n');
    let mut tail: Vec<String> = Vec::new();
    loop {
        let line = tokio::select! {
            line = lines.next_segment() => line,
            () = cancel.cancelled() => {
                end_group(&child);
                // The recipe cleans up after itself; still, wait with a limit.
                let _ = tokio::time::timeout(std::time::Duration::from_secs(20), child.wait()).await;
                return Err(Error::interrupted());
            }
        };
        let Ok(Some(line)) = line else { break };
        let line = String::from_utf8_lossy(&line).into_owned();
        progress(&line);
        tail.push(line);
        if tail.len() > TAIL {
            tail.remove(0);
        }
    }
    let status = child.wait().await.context(|| format!("cannot wait for {name}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::infra(format!("{name} failed ({status}); its last lines:\n  {}", tail.join("\n  ")))
        .hint(Setup::here().doctor()))
}

fn end_group(child: &tokio::process::Child) {
    use nix::sys::signal::{Signal, killpg};
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // ESRCH means that it is gone, which is what is wanted.
        let _ = killpg(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_input_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = Manifest::default();
        let inputs = BTreeMap::from([("images/base/build.sh".to_owned(), "1".to_owned())]);
        assert_eq!(stale(&manifest, folder.path(), &PARTS, &inputs).unwrap(), "base-disk-image.img was missing");
        for name in PARTS {
            fs::write(folder.path().join(name), "x").unwrap();
            manifest.record(folder.path(), name, "test", &inputs).unwrap();
        }
        assert_eq!(stale(&manifest, folder.path(), &PARTS, &inputs), None);
        let newer = BTreeMap::from([("images/base/build.sh".to_owned(), "2".to_owned())]);
        let why = stale(&manifest, folder.path(), &PARTS, &newer).unwrap();
        assert_eq!(why, "changed since the last build: images/base/build.sh");
        fs::write(folder.path().join(KERNEL), "other").unwrap();
        assert!(stale(&manifest, folder.path(), &PARTS, &inputs).unwrap().starts_with("kernel is changed"));
    }

    #[test]
    fn what_a_killed_builder_left_goes() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".base-abc123/rootfs", ".lean-abc123"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let fresh = fresh_folder(folder.path(), ".base-").unwrap();
        assert!(fresh.path().is_dir());
        assert!(!folder.path().join(".base-abc123").exists());
        assert!(folder.path().join(".lean-abc123").exists(), "another recipe's");
    }

    #[tokio::test]
    async fn a_failing_recipe_shows_its_last_lines() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "mkdir \"$XDG_CONFIG_HOME/cni\" && echo \"$XDG_CONFIG_HOME\" >&2; echo no mirror >&2; exit 3",
        ]);
        let mut seen = Vec::new();
        let error = run_recipe(command, "recipe", &CancellationToken::new(), &mut |line| seen.push(line.to_owned()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no mirror"), "{error}");
        assert_eq!(seen.get(1).map(String::as_str), Some("no mirror"), "{seen:?}");
        assert!(!Path::new(&seen[0]).exists(), "the folder of settings is left in {}", seen[0]);
    }
}
