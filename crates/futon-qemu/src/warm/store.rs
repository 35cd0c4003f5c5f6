//! Where warm bases are kept: a folder each below `$RESOURCES/warm`, either complete or absent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result};
use nix::fcntl::{Flock, FlockArg};

use super::base::{ABOUT, InUse, WarmBase};
use super::key::WarmKey;

/// How many recently used warm bases are kept; each takes some hundred MiB. The two bases, alone and side by side, need four, and four
/// more with `--thaw auto`.
const KEPT: usize = 8;
/// The same for those that contain a function's images.
const KEPT_WITH_IMAGES: usize = 16;

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
        Ok(base.used(folder, in_use).for_this_host())
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
                let base = WarmBase::read(&entry.path()).ok()?;
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
        Ok(base.used(folder, in_use))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::super::base::Without;
    use super::super::names::{MEMORY, STATE};
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
        for text in ["b", "c", "d", "e", "f", "g", "h", "i", "j"] {
            made(&store, text);
        }
        assert_eq!((store.own().len(), store.list().len()), (KEPT, KEPT + 1));
        assert!(store.remove(&base.id).unwrap_err().to_string().contains("read-only folder"));
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
        for text in ["1", "2", "3", "4", "a", "b", "c", "d", "e", "f"] {
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
