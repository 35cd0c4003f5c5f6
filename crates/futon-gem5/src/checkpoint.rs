//! Checkpoints, kept by what shapes the state in them, and believed only while they are what was written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futon_common::{Context, Error, Result, sha256_file, sha256_of_data};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const FILE: &str = "futon.json";
const SCHEMA: &str = "futon.checkpoint/1";

/// Checkpoints of functions that are kept, each about a hundred MB; those of parked guests and templates are few, and all are kept.
const KEPT: usize = 12;
/// Room that they may take, bytes: a function on an engine takes a gigabyte.
const MOST_BYTES: u64 = 8 << 30;
/// How many bases are kept, those used last, and what is said of their kind.
const KEPT_BASES: usize = 2;
pub(super) const BASE: &str = "base";
/// One that was used within this time may be in use: gem5 reads a checkpoint when it starts, and never again.
const IN_USE: Duration = Duration::from_secs(600);
/// What only functions' checkpoints are made from.
const OF_A_FUNCTION: &str = "payload";

/// What shapes the state of a checkpoint, by name. Cache sizes, core models, limits and the like do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingredients(BTreeMap<String, String>);

impl Ingredients {
    /// Adds an ingredient.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The key: short enough for a path, long enough to be one of its kind.
    #[must_use]
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in &self.0 {
            // Lengths keep neighbours apart.
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update((value.len() as u64).to_le_bytes());
            hash.update(value);
        }
        hex::encode(hash.finalize())[..20].to_owned()
    }
}

/// What is known about a stored checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    schema: String,
    /// Its key.
    pub key: String,
    /// What it was made from.
    pub made_from: BTreeMap<String, String>,
    /// Hash and size of each file: SHA-256 of its bytes, or after [`BLOCKS`] of those of its blocks that are not zero.
    files: BTreeMap<String, (String, u64)>,
    /// Instructions simulated on the way to it.
    pub insts: u64,
    /// Tick at which it was made.
    pub tick: u64,
}

/// A folder of checkpoints.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    root: PathBuf,
    /// Read where the first lacks a checkpoint, and never written.
    shared: Option<PathBuf>,
}

/// Held while a checkpoint is looked for or made, so that several runs make it once.
#[derive(Debug)]
pub struct StoreLock(#[expect(dead_code, reason = "the file is locked as long as it is open")] File);

impl CheckpointStore {
    /// The store in a folder; made when the first checkpoint comes.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), shared: None }
    }

    /// The same store, which also looks in a second, read-only one.
    #[must_use]
    pub fn over(self, shared: &Path) -> Self {
        Self { shared: Some(shared.to_owned()), ..self }
    }

    /// Folder of a checkpoint.
    #[must_use]
    pub fn folder(&self, key: &str) -> PathBuf {
        let own = self.root.join(key);
        let shared = self.shared.as_ref().map(|shared| shared.join(key)).filter(|folder| folder.is_dir());
        if own.exists() { own } else { shared.unwrap_or(own) }
    }

    /// Waits until no other process makes the checkpoint of this key. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn lock(&self, key: &str) -> Result<StoreLock> {
        fs::create_dir_all(&self.root).context(|| format!("cannot make {}", self.root.display()))?;
        let path = self.root.join(format!("{key}.lock"));
        let file = File::create(&path).context(|| format!("cannot write {}", path.display()))?;
        file.lock().context(|| format!("cannot lock {}", path.display()))?;
        Ok(StoreLock(file))
    }

    /// Finds a checkpoint and compares all of it with what was written.
    ///
    /// # Errors
    /// When it is there and is damaged.
    pub fn find(&self, key: &str) -> Result<Option<Stored>> {
        let folder = self.folder(key);
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(_) if !folder.exists() => return Ok(None),
            Err(e) => return Err(damaged(&folder, &format!("{FILE}: {e}"))),
        };
        let stored: Stored = serde_json::from_slice(&text).map_err(|e| damaged(&folder, &format!("{FILE}: {e}")))?;
        if stored.schema != SCHEMA || stored.key != key {
            return Err(damaged(&folder, &format!("{FILE} belongs to another checkpoint")));
        }
        for (name, (sha256, size)) in &stored.files {
            let file = folder.join(name);
            let length = fs::metadata(&file).map_err(|e| damaged(&folder, &format!("{name}: {e}")))?.len();
            if length != *size {
                return Err(damaged(&folder, &format!("{name} has {length} bytes, not {size}")));
            }
            if hash_of(&file, sha256.starts_with(BLOCKS))? != *sha256 {
                return Err(damaged(&folder, &format!("{name}: its hash differs")));
            }
        }
        // For who removes old ones; a lab's store may be read-only.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Some(stored))
    }

    /// Removes the functions' checkpoints that have not been used for the longest time. What cannot be removed stays.
    fn remove_old(&self, kept: usize, in_use: Duration) {
        let Ok(entries) = fs::read_dir(&self.root) else { return };
        let known = |folder: PathBuf| {
            let file = folder.join(FILE);
            let stored: Stored = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
            let used = fs::metadata(&file).and_then(|data| data.modified()).ok()?;
            Some((used, folder, stored.made_from))
        };
        let all: Vec<_> = entries.flatten().filter_map(|entry| known(entry.path())).collect();
        let removed = |kept: usize, bytes: u64, of: &dyn Fn(&BTreeMap<String, String>) -> bool| {
            let mut kind: Vec<_> = all.iter().filter(|(_, _, from)| of(from)).collect();
            kind.sort();
            let mut left = bytes;
            for (number, (used, folder, _)) in kind.into_iter().rev().enumerate() {
                let size = room_of(folder);
                let fits = number < kept && (size <= left || number == 0);
                left = left.saturating_sub(size);
                if !fits && used.elapsed().is_ok_and(|ago| ago > in_use) {
                    let _ = fs::remove_dir_all(folder);
                }
            }
        };
        removed(kept, MOST_BYTES, &|from| from.contains_key(OF_A_FUNCTION));
        removed(KEPT_BASES, u64::MAX, &|from| from.get("kind").is_some_and(|kind| kind == BASE));
    }

    /// Takes a checkpoint that a simulation has written, and files that belong to it, into the store. What was written is moved there.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn keep(
        &self,
        written: &Path,
        ingredients: &Ingredients,
        more: &[(String, PathBuf)],
        insts: u64,
        tick: u64,
    ) -> Result<Stored> {
        let key = ingredients.key();
        fs::create_dir_all(&self.root).context(|| format!("cannot make {}", self.root.display()))?;
        let making = tempfile::Builder::new()
            .prefix(".making-")
            .tempdir_in(&self.root)
            .context(|| format!("cannot write to {}", self.root.display()))?;
        let list = fs::read_dir(written).context(|| format!("cannot read {}", written.display()))?;
        let mut sources: Vec<(String, PathBuf)> = list
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_file()))
            .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
            .collect();
        sources.extend(more.iter().map(|(name, path)| (format!("with/{name}"), path.clone())));
        let mut files = BTreeMap::new();
        for (name, source) in sources {
            let target = making.path().join(&name);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).context(|| format!("cannot make {}", parent.display()))?;
            }
            take(&source, &target, source.starts_with(written))?;
            let size = fs::metadata(&target).context(|| format!("cannot read {}", target.display()))?.len();
            let by_blocks = has_holes(&target);
            files.insert(name, (hash_of(&target, by_blocks)?, size));
        }
        let stored =
            Stored { schema: SCHEMA.into(), key: key.clone(), made_from: ingredients.0.clone(), files, insts, tick };
        let path = making.path().join(FILE);
        let text = serde_json::to_vec_pretty(&stored).context(|| format!("cannot write {}", path.display()))?;
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))?;
        // Somebody else may have made the same, and be about to restore it: a whole one stays.
        if let Ok(Some(theirs)) = self.find(&key) {
            return Ok(theirs);
        }
        let folder = self.folder(&key);
        // A damaged one.
        let _ = fs::remove_dir_all(&folder);
        readable(making.path());
        match fs::rename(making.path(), &folder) {
            Ok(()) => {
                // Nothing is left of the temporary folder to remove.
                let _ = making.keep();
                self.remove_old(KEPT, IN_USE);
                Ok(stored)
            }
            // In this very moment, that is.
            Err(e) => match self.find(&key) {
                Ok(Some(theirs)) => Ok(theirs),
                _ => Err(e).context(|| format!("cannot make {}", folder.display())),
            },
        }
    }
}

impl Stored {
    /// Files that were kept with the checkpoint, by name.
    #[must_use]
    pub fn with(&self, folder: &Path) -> Vec<(String, PathBuf)> {
        let names = self.files.keys().filter_map(|n| n.strip_prefix("with/"));
        names.map(|name| (name.to_owned(), folder.join("with").join(name))).collect()
    }
}

/// Begins the hash of a file with holes.
const BLOCKS: &str = "blocks:";

/// Whether a file has room on the disk for less than it holds: a guest's memory as QEMU leaves it.
fn has_holes(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.blocks() * 512 < data.len() / 2)
}

/// A file's hash.
fn hash_of(path: &Path, by_blocks: bool) -> Result<String> {
    if by_blocks { Ok(format!("{BLOCKS}{}", sha256_of_data(path)?)) } else { sha256_file(path) }
}

/// Room that a checkpoint takes on the disk, bytes.
fn room_of(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|data| data.blocks() * 512).sum()
}

/// Moves or copies a file. A guest's memory is as large as the guest, and mostly holes: moving it costs nothing.
fn take(source: &Path, target: &Path, move_it: bool) -> Result<()> {
    if move_it && fs::rename(source, target).is_ok() {
        return Ok(());
    }
    fs::copy(source, target).map(drop).context(|| format!("cannot copy {}", source.display()))
}

fn damaged(folder: &Path, what: &str) -> Error {
    Error::infra(format!("the checkpoint {} is damaged: {what}", folder.display()))
        .hint(format!("remove it, and the next run makes it again: rm -r {}", folder.display()))
}

fn readable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // Made as a private temporary folder; others may use the resources, too.
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(root: &Path) -> (CheckpointStore, Stored) {
        let written = root.join("written");
        fs::create_dir(&written).unwrap();
        fs::write(written.join("m5.cpt"), "[Globals]\n").unwrap();
        fs::write(written.join("system.physmem.store0.pmem"), vec![7; 5000]).unwrap();
        let events = root.join("events.jsonl");
        fs::write(&events, "{}\n").unwrap();
        let mut ingredients = Ingredients::default();
        ingredients.add("kernel", "abc");
        let store = CheckpointStore::new(&root.join("store"));
        let stored = store.keep(&written, &ingredients, &[("events.jsonl".into(), events)], 5, 9).unwrap();
        (store, stored)
    }

    #[test]
    fn a_labs_checkpoints_are_found_and_ones_own_come_first() {
        let root = tempfile::tempdir().unwrap();
        let (lab, stored) = made(root.path());
        let mine = root.path().join("mine");
        let store = CheckpointStore::new(&mine).over(&root.path().join("store"));
        assert_eq!(store.find(&stored.key).unwrap(), Some(stored.clone()));
        assert_eq!(store.folder(&stored.key), lab.folder(&stored.key));
        assert_eq!(store.find("0123").unwrap(), None);
        fs::create_dir_all(mine.join(&stored.key)).unwrap();
        assert_eq!(store.folder(&stored.key), mine.join(&stored.key));
    }

    #[test]
    fn what_is_kept_is_found_whole() {
        let root = tempfile::tempdir().unwrap();
        let (store, stored) = made(root.path());
        assert_eq!(store.find(&stored.key).unwrap(), Some(stored.clone()));
        assert_eq!(store.find("0123").unwrap(), None);
        let with = stored.with(&store.folder(&stored.key));
        assert_eq!(with.len(), 1);
        assert!(with[0].0 == "events.jsonl" && with[0].1.exists());
        // No temporary folder is left.
        assert_eq!(fs::read_dir(root.path().join("store")).unwrap().count(), 1);
    }

    #[test]
    fn functions_checkpoints_are_removed_when_they_are_many_and_old() {
        let root = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(&root.path().join("store"));
        let make = |n: u32, what: &str, hours: u64| {
            let written = root.path().join(format!("{n}"));
            fs::create_dir(&written).unwrap();
            fs::write(written.join("m5.cpt"), "[Globals]\n").unwrap();
            let mut ingredients = Ingredients::default();
            ingredients.add(what, n.to_string());
            let key = store.keep(&written, &ingredients, &[], 0, 0).unwrap().key;
            let file = File::open(store.folder(&key).join(FILE)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(3600 * hours)).unwrap();
            key
        };
        let parked = make(0, "kernel", 90);
        let [oldest, older, used, new] =
            [(1, 9), (2, 8), (3, 7), (4, 0)].map(|(n, hours)| make(n, OF_A_FUNCTION, hours));
        // Looked at, and so in use.
        store.find(&used).unwrap();
        let there = || [&parked, &oldest, &older, &used, &new].map(|key| store.folder(key).exists());
        store.remove_old(4, IN_USE);
        assert_eq!(there(), [true; 5]);
        store.remove_old(3, IN_USE);
        assert_eq!(there(), [true, false, true, true, true]);
        store.remove_old(0, IN_USE);
        assert_eq!(there(), [true, false, false, true, true], "the last two may be in use");
    }

    #[test]
    fn a_file_is_hashed_by_what_it_holds_where_it_has_holes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory");
        File::create(&file).unwrap().set_len(40 << 20).unwrap();
        assert!(has_holes(&file));
        assert!(hash_of(&file, true).unwrap().starts_with(BLOCKS));
    }

    #[test]
    fn damage_is_named() {
        type Harm = fn(&Path);
        let harms: [(Harm, &str); 5] = [
            (|f| fs::write(f.join("m5.cpt"), "[Globalx]\n").unwrap(), "hash differs"),
            (|f| fs::write(f.join("m5.cpt"), "[Glo").unwrap(), "bytes"),
            (|f| fs::remove_file(f.join("system.physmem.store0.pmem")).unwrap(), "store0.pmem"),
            (|f| fs::write(f.join(FILE), "{").unwrap(), FILE),
            (|f| fs::remove_file(f.join(FILE)).unwrap(), FILE),
        ];
        for (harm, why) in harms {
            let root = tempfile::tempdir().unwrap();
            let (store, stored) = made(root.path());
            harm(&store.folder(&stored.key));
            let error = store.find(&stored.key).unwrap_err();
            assert!(error.to_string().contains("damaged") && error.to_string().contains(why), "{error}");
            assert!(error.hint_text().unwrap().contains("rm -r"));
        }
    }

    #[test]
    fn keys_follow_what_shapes_the_state() {
        let key = |pairs: &[(&str, &str)]| {
            let mut i = Ingredients::default();
            pairs.iter().for_each(|(n, v)| i.add(n, *v));
            i.key()
        };
        assert_eq!(key(&[("a", "1"), ("b", "2")]), key(&[("b", "2"), ("a", "1")]));
        assert_ne!(key(&[("a", "1b")]), key(&[("a", "1"), ("b", "")]));
        assert_eq!(key(&[]).len(), 20);
    }
}
