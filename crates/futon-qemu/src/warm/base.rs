//! One warm base: its files, what is wrong with them, and who uses it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futon_common::{Context, Result, sha256_of_data, stamp};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::frozen::{self, Thaw};
use super::key::WarmKey;
use super::names::{DISK, MEMORY, STATE};

pub(super) const ABOUT: &str = "warm.json";

/// A saved machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmBase {
    /// Short name of its key.
    pub id: String,
    /// Its inputs.
    pub key: WarmKey,
    /// How long it took to make, milliseconds.
    pub made_in_ms: u64,
    /// Its files: hash, size and time stamp when it was made.
    files: BTreeMap<String, Stamp>,
    /// Why QEMU was not frozen with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_frozen: Option<String>,
    /// Why its rehearsal failed or was left out: forks are slower, but correct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_rehearsed: Option<String>,
    /// Folder that it was made in.
    #[serde(default)]
    made_in: PathBuf,
    #[serde(skip)]
    pub(super) folder: PathBuf,
    #[serde(skip)]
    in_use: InUse,
}

/// What a warm base lacks, and why.
#[derive(Debug, Clone, Default)]
pub(super) struct Without {
    pub not_frozen: Option<String>,
    pub not_rehearsed: Option<String>,
}

/// Keeps others from removing a warm base: a lock on its description that any number of users share.
#[derive(Debug, Clone, Default)]
pub(super) struct InUse(#[expect(dead_code, reason = "held until it is dropped")] Option<Arc<Flock<File>>>);

impl PartialEq for InUse {
    /// Its users do not count when warm bases are compared.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for InUse {}

impl InUse {
    /// The lock, unless another process is about to remove the warm base in `folder`.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let file = File::open(folder.join(ABOUT)).ok()?;
        Flock::lock(file, FlockArg::LockSharedNonblock).ok().map(|lock| Self(Some(Arc::new(lock))))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    sha256: String,
    size: u64,
    mtime_ns: u64,
}

impl WarmBase {
    /// Describes the files in `folder`, with hashes.
    pub(super) fn describe(
        folder: &Path,
        key: WarmKey,
        made_in_ms: u64,
        has_disk: bool,
        without: Without,
    ) -> Result<Self> {
        let Without { not_frozen, not_rehearsed } = without;
        let mut files = BTreeMap::new();
        let mut names = vec![MEMORY, STATE];
        names.extend(has_disk.then_some(DISK));
        names.extend(frozen::files(folder, has_disk));
        for name in names {
            let path = folder.join(name);
            let (size, mtime_ns) =
                stamp(&path).context(|| format!("cannot read the size and time stamp of {}", path.display()))?;
            let sha256 = sha256_of_data(&path)?;
            files.insert(name.to_owned(), Stamp { sha256, size, mtime_ns });
        }
        let base = Self {
            id: key.id(),
            key,
            made_in_ms,
            not_frozen,
            not_rehearsed,
            files,
            made_in: folder.to_owned(),
            folder: folder.to_owned(),
            in_use: InUse::default(),
        };
        let path = folder.join(ABOUT);
        let text = serde_json::to_vec_pretty(&base).context(|| format!("cannot write {}", path.display()))?;
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))?;
        Ok(base)
    }

    /// The same, kept from being removed, at the place where it is now.
    pub(super) fn used(self, folder: PathBuf, in_use: InUse) -> Self {
        Self { folder, in_use, ..self }
    }

    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(ABOUT);
        let text = fs::read(&path).context(|| format!("cannot read {}", path.display()))?;
        let base: Self = serde_json::from_slice(&text).context(|| format!("malformed {}", path.display()))?;
        Ok(Self { folder: folder.to_owned(), ..base })
    }

    /// One of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// How the frozen QEMU continues with a new disk and console.
    pub(crate) fn thaw(&self, disk: &Path, console: &Path) -> Thaw {
        frozen::order(&self.folder, &self.made_in, disk, console)
    }

    /// Whether QEMU's process was frozen with it.
    #[must_use]
    pub fn has_process(&self) -> bool {
        self.files.keys().any(|name| frozen::is_frozens(name))
    }

    /// The same without that process, and why it does without.
    pub(crate) fn without_process(&self, why: String) -> Self {
        let mut base = Self { not_frozen: Some(why), ..self.clone() };
        base.files.retain(|name, _| !frozen::is_frozens(name));
        base
    }

    /// The same, without a frozen process that cannot go on here: its forks are plain ones then.
    #[must_use]
    pub fn for_this_host(self) -> Self {
        let changed = self.changed(frozen::is_frozens);
        let problem = changed.or_else(|| self.has_process().then(|| frozen::problem(&self.folder))?);
        match problem {
            Some(why) => self.without_process(why),
            None => self,
        }
    }

    /// What is wrong with it by sizes and time stamps. A frozen process does not count: a fork can do without.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.changed(|name| !frozen::is_frozens(name))
    }

    /// The first of these files that is not as it was made.
    fn changed(&self, of: impl Fn(&str) -> bool) -> Option<String> {
        self.files.iter().filter(|(name, _)| of(name)).find_map(|(name, made)| match stamp(&self.folder.join(name)) {
            Ok((size, mtime_ns)) if (size, mtime_ns) == (made.size, made.mtime_ns) => None,
            Ok(_) => Some(format!("its {name} changed")),
            Err(e) => Some(format!("its {name}: {e}")),
        })
    }

    /// What is wrong with it by its hashes.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify(&self) -> Result<Option<String>> {
        for (name, stamp) in &self.files {
            let path = self.folder.join(name);
            if sha256_of_data(&path)? != stamp.sha256 {
                return Ok(Some(format!("the hash of its {name} differs")));
            }
        }
        Ok(None)
    }

    /// Space that it takes on the disk, bytes.
    #[must_use]
    pub fn disk_use(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let of = |name| fs::metadata(self.folder.join(name)).map_or(0, |m| m.blocks() * 512);
        self.files.keys().map(of).sum()
    }
}
