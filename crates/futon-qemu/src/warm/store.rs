//! Where warm bases are kept: a folder each below `$RESOURCES/warm`, either complete or absent.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use freezer::Thaw;
use futon_common::{Context, Error, Result, stamp};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Whence, lseek};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{WarmKey, frozen};

/// The guest's memory.
pub(crate) const MEMORY: &str = "memory";
/// State of the processors and devices.
pub(crate) const STATE: &str = "state";
/// The disk as it was when the machine was saved.
pub(crate) const DISK: &str = "disk.qcow2";

/// The guest's console when it was made.
pub(super) const CONSOLE: &str = "console/console.log";

const ABOUT: &str = "warm.json";

/// How many recently used warm bases are kept; each takes some hundred MiB. The two bases, alone and side by side, need four already.
const KEPT: usize = 6;
/// The same for those that contain a function's images.
const KEPT_WITH_IMAGES: usize = 16;

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
    folder: PathBuf,
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
struct InUse(#[expect(dead_code, reason = "held until it is dropped")] Option<Arc<Flock<File>>>);

impl PartialEq for InUse {
    /// Its users do not count when warm bases are compared.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for InUse {}

impl InUse {
    /// The lock, unless another process is about to remove the warm base in `folder`.
    fn of(folder: &Path) -> Option<Self> {
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
            let sha256 = sha256_of_data(&path).context(|| format!("cannot read {}", path.display()))?;
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

    fn read(folder: &Path) -> Result<Self> {
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
    fn as_it_serves_here(self) -> Self {
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
            if sha256_of_data(&path).context(|| format!("cannot read {}", path.display()))? != stamp.sha256 {
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

/// Console of the last machine that did not become a warm base.
const FAILED_CONSOLE: &str = "failed-console.log";

/// The warm bases of a resources folder.
#[derive(Debug, Clone)]
pub struct WarmStore {
    folder: PathBuf,
    /// Read if the first lacks a warm base, and never written.
    shared: Option<PathBuf>,
}

/// Only one process makes or removes warm bases at a time.
#[derive(Debug)]
pub struct WarmLock(#[expect(dead_code, reason = "held until it is dropped")] Flock<File>);

impl WarmStore {
    /// The store below a resources folder.
    #[must_use]
    pub fn of(resources: &Path) -> Self {
        Self { folder: warm_in(resources), shared: None }
    }

    /// The same store, which also looks in another folder's store, read-only.
    #[must_use]
    pub fn over(self, resources: &Path) -> Self {
        Self { shared: Some(warm_in(resources)), ..self }
    }

    /// Where the warm base of a key is, if there is one.
    pub(super) fn place(&self, key: &WarmKey) -> PathBuf {
        self.folder.join(key.id())
    }

    /// The folder that has the warm base of a key.
    fn found(&self, key: &WarmKey) -> PathBuf {
        let own = self.place(key);
        let shared = self.shared.as_ref().map(|shared| shared.join(key.id()));
        shared.filter(|shared| !own.join(ABOUT).exists() && shared.join(ABOUT).exists()).unwrap_or(own)
    }

    /// The warm base of a key. It is not removed while the returned value, or a copy of it, lives.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find(&self, key: &WarmKey) -> std::result::Result<WarmBase, String> {
        let folder = self.found(key);
        let in_use = InUse::of(&folder);
        let Ok(base) = WarmBase::read(&folder) else {
            return Err(match self.list().into_iter().find(|base| base.key.images() == key.images()) {
                Some(last) => format!("changed since the last one: {}", key.differences(&last.key).join(", ")),
                None => "there is none yet".into(),
            });
        };
        let in_use = in_use.ok_or("it is being removed")?;
        if let Some(why) = base.problem() {
            return Err(why);
        }
        // The most recently used is kept longest.
        let now = std::time::SystemTime::now();
        let _ = File::open(base.folder.join(ABOUT)).and_then(|file| file.set_modified(now));
        Ok(WarmBase { in_use, ..base }.as_it_serves_here())
    }

    /// All warm bases, the most recently used first.
    #[must_use]
    pub fn list(&self) -> Vec<WarmBase> {
        let folders = [Some(&self.folder), self.shared.as_ref()].into_iter().flatten();
        let entries = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        // An unfinished one can already have a description.
        let entries = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        let mut found: Vec<(std::time::SystemTime, WarmBase)> = entries
            .filter_map(|entry| {
                let base = WarmBase::read(&entry.path()).ok()?.as_it_serves_here();
                Some((fs::metadata(entry.path().join(ABOUT)).ok()?.modified().ok()?, base))
            })
            .collect();
        found.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
        found.into_iter().map(|(_, base)| base).collect()
    }

    /// Those in the writable folder.
    #[must_use]
    pub fn own(&self) -> Vec<WarmBase> {
        self.list().into_iter().filter(|base| self.is_own(base)).collect()
    }

    fn is_own(&self, base: &WarmBase) -> bool {
        base.folder.starts_with(&self.folder)
    }

    /// Removes a warm base.
    ///
    /// # Errors
    /// When there is none of that name, a futon uses it, or it cannot be removed.
    pub fn remove(&self, id: &str) -> Result<()> {
        let base = self.list().into_iter().find(|base| base.id == id);
        let base = base
            .ok_or_else(|| Error::usage(format!("there is no warm base {id}")).hint("`futon warm list` lists them"))?;
        if !self.is_own(&base) {
            return Err(Error::infra(format!(
                "the warm base {id} is in a read-only folder: {}",
                base.folder.display()
            ))
            .hint("only the folder's owner can remove it"));
        }
        if remove_unused(&base.folder)? { Ok(()) } else { Err(in_use(id)) }
    }

    /// Waits, without blocking the program, until no other process makes a warm base. `waiting` is called once if there is a wait.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub async fn lock(&self, waiting: impl FnOnce()) -> Result<WarmLock> {
        fs::create_dir_all(&self.folder).context(|| format!("cannot make {}", self.folder.display()))?;
        let path = self.folder.join(".lock");
        let failed = || format!("cannot lock {}", path.display());
        let mut waiting = Some(waiting);
        loop {
            let file = File::create(&path).context(failed)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(WarmLock(lock)),
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                    if let Some(say) = waiting.take() {
                        say();
                    }
                    // The holder has its own limits, and the kernel frees the lock with its process.
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                Err((_, e)) => return Err(Error::infra(failed()).caused_by(e)),
            }
        }
    }

    /// An empty folder for a new warm base; leftovers of earlier ones are removed. The lock must be held.
    pub(super) fn begin(&self) -> Result<PathBuf> {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(".making") {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let folder = self.folder.join(format!(".making-{}", std::process::id()));
        let failed = || format!("cannot make {}", folder.display());
        fs::create_dir_all(&folder).context(failed)?;
        // As the kernel names a frozen process's files.
        fs::canonicalize(&folder).context(failed)
    }

    /// Keeps the console of the last machine that did not become a warm base; returns its path if there was a console.
    pub(super) fn keep_console(&self, console: &Path) -> Option<PathBuf> {
        let kept = self.folder.join(FAILED_CONSOLE);
        fs::rename(console, &kept).ok().map(|()| kept)
    }

    /// Moves a finished warm base to its place, and removes the least recently used ones.
    pub(super) fn finish(&self, base: WarmBase) -> Result<WarmBase> {
        let folder = self.folder.join(&base.id);
        let failed = || format!("cannot make {}", folder.display());
        if folder.exists() && !remove_unused(&folder)? {
            return Err(in_use(&base.id));
        }
        fs::rename(&base.folder, &folder).context(failed)?;
        let in_use = InUse::of(&folder).unwrap_or_default();
        let has_images = |base: &WarmBase| !base.key.images().is_empty();
        let kept = if has_images(&base) { KEPT_WITH_IMAGES } else { KEPT };
        let others = self.list().into_iter().filter(|old| old.id != base.id && has_images(old) == has_images(&base));
        for old in others.filter(|old| self.is_own(old)).skip(kept - 1) {
            // One in use is removed another time.
            let _ = remove_unused(&old.folder);
        }
        Ok(WarmBase { folder, in_use, ..base })
    }
}

fn warm_in(resources: &Path) -> PathBuf {
    std::path::absolute(resources).unwrap_or_else(|_| resources.to_owned()).join("warm")
}

fn in_use(id: &str) -> Error {
    Error::infra(format!("the warm base {id} is in use"))
        .hint("another futon is forking machines from it; try again later")
}

/// Removes a warm base's folder, unless a futon uses it. Whether it is gone.
fn remove_unused(folder: &Path) -> Result<bool> {
    // Without its description it does not count as complete.
    let _lock = match File::open(folder.join(ABOUT)).map(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock)) {
        Ok(Err((_, nix::errno::Errno::EWOULDBLOCK))) => return Ok(false),
        other => other,
    };
    fs::remove_dir_all(folder).context(|| format!("cannot remove {}", folder.display()))?;
    Ok(true)
}

/// SHA-256 of a sparse file's data and their offsets; holes, most of a guest's memory, cost nothing.
fn sha256_of_data(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0_i64;
    loop {
        let begin = match lseek(&file, at, Whence::SeekData) {
            Ok(begin) => begin,
            // Only a hole is left; or the file system does not support holes, and reports this for the whole file.
            Err(nix::errno::Errno::ENXIO) => break,
            Err(e) => return Err(e.into()),
        };
        let end = lseek(&file, begin, Whence::SeekHole)?;
        let (mut place, until) = (u64::try_from(begin).unwrap_or_default(), u64::try_from(end).unwrap_or(size));
        hash.update(place.to_le_bytes());
        hash.update(until.to_le_bytes());
        while place < until {
            let room = usize::try_from(until - place).unwrap_or(usize::MAX).min(buffer.len());
            let got = file.read_at(&mut buffer[..room], place)?;
            if got == 0 {
                break;
            }
            hash.update(&buffer[..got]);
            place += got as u64;
        }
        at = end;
    }
    // Unlike seeking, an ordinary read reveals a broken disk.
    let _ = file.read(&mut buffer[..1])?;
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> WarmKey {
        serde_json::from_value(serde_json::json!({ "parts": { "kernel": text } })).unwrap()
    }

    fn made(store: &WarmStore, text: &str) -> WarmBase {
        let folder = store.begin().unwrap();
        let memory = File::create(folder.join(MEMORY)).unwrap();
        memory.set_len(64 << 20).unwrap();
        memory.write_all_at(text.as_bytes(), 32 << 20).unwrap();
        fs::write(folder.join(STATE), "state").unwrap();
        store.finish(WarmBase::describe(&folder, key(text), 5, false, Without::default()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_warm_base_is_found_by_its_key_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = WarmStore::of(folder.path());
        let _lock = store.lock(|| ()).await.unwrap();
        assert_eq!(store.find(&key("a")).unwrap_err(), "there is none yet");
        let base = made(&store, "a");
        assert_eq!(store.find(&key("a")).unwrap(), base);
        assert_eq!(store.find(&key("b")).unwrap_err(), "changed since the last one: kernel");
        assert!(base.disk_use() < 8 << 20, "{}", base.disk_use());

        // Same size and time stamp: only the hash shows the change.
        let kept = fs::metadata(base.file(MEMORY)).unwrap().modified().unwrap();
        let memory = File::options().write(true).open(base.file(MEMORY)).unwrap();
        memory.write_all_at(b"b", 32 << 20).unwrap();
        memory.set_modified(kept).unwrap();
        assert_eq!(base.problem(), None);
        assert!(base.verify().unwrap().unwrap().contains("memory"));
        fs::write(base.file(STATE), "other").unwrap();
        assert_eq!(store.find(&key("a")).unwrap_err(), "its state changed");
    }

    #[tokio::test]
    async fn a_labs_warm_bases_are_used_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (lab, mine) = (WarmStore::of(&folder.path().join("lab")), folder.path().join("mine"));
        let lock = lab.lock(|| ()).await.unwrap();
        let base = made(&lab, "a");
        drop(lock);
        let store = WarmStore::of(&mine).over(&folder.path().join("lab"));
        assert_eq!(store.find(&key("a")).unwrap(), base);
        assert!(!mine.exists(), "looking makes nothing");
        let _lock = store.lock(|| ()).await.unwrap();
        for text in ["b", "c", "d", "e", "f", "g", "h"] {
            made(&store, text);
        }
        assert_eq!((store.own().len(), store.list().len()), (KEPT, KEPT + 1));
        assert!(store.remove(&base.id).unwrap_err().to_string().contains("cannot write"));
        // The user's own replaces the shared one if that is not usable.
        fs::write(base.file(STATE), "other").unwrap();
        assert_eq!(store.find(&key("a")).unwrap_err(), "its state changed");
        let own = made(&store, "a");
        assert!(store.find(&key("a")).unwrap().file(STATE).starts_with(&mine), "{own:?}");
    }

    #[tokio::test]
    async fn few_are_kept_and_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = WarmStore::of(folder.path());
        let _lock = store.lock(|| ()).await.unwrap();
        fs::create_dir_all(folder.path().join("warm/.making-1")).unwrap();
        for text in ["1", "2", "a", "b", "c", "d", "e", "f"] {
            made(&store, text);
        }
        assert_eq!(store.list().len(), KEPT);
        assert!(store.find(&key("f")).is_ok());
        assert!(!folder.path().join("warm/.making-1").exists());
        let used = store.find(&key("f")).unwrap();
        let copy = used.clone();
        drop(used);
        assert!(store.remove(&key("f").id()).unwrap_err().to_string().contains("in use"));
        drop(copy);
        store.remove(&key("f").id()).unwrap();
        assert!(store.remove(&key("f").id()).unwrap_err().to_string().contains("no warm base"));
    }

    #[tokio::test]
    async fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = WarmStore::of(folder.path());
        let held = store.lock(|| ()).await.unwrap();
        let mut waited = false;
        let second = store.lock(|| waited = true);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(300), second).await.is_err());
        assert!(waited);
        drop(held);
        store.lock(|| ()).await.unwrap();
    }
}
