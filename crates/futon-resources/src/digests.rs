//! Digests of files that are used again and again, without reading them each time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futon_common::{Context, Result, sha256_file, stamp};
use serde::{Deserialize, Serialize};

use super::Manifest;

/// File of known digests, in the folder that is written to.
const FILE: &str = ".digests.json";
/// How many are kept.
const KEPT: usize = 256;

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    size: u64,
    mtime_ns: u64,
    sha256: String,
}

/// Digests of files, by size and time stamp: those in the resources' manifest, and those that were read before.
#[derive(Debug)]
pub struct Digests {
    manifests: Vec<(PathBuf, Manifest)>,
    file: PathBuf,
    known: Mutex<BTreeMap<PathBuf, Known>>,
}

impl Digests {
    /// With the manifest of a resources folder, and a folder where digests are kept if it can be written.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn open(resources: &Path, own: &Path) -> Result<Self> {
        let folder = std::path::absolute(resources).context(|| format!("path of {}", resources.display()))?;
        let manifest = Manifest::read(&folder)?;
        let file = own.join(FILE);
        // A damaged file costs only time.
        let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Ok(Self { manifests: vec![(folder, manifest)], file, known: Mutex::new(known) })
    }

    /// A file's digest, `sha256:` and 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(&self, path: &Path) -> Result<String> {
        let shown = || format!("cannot read {}", path.display());
        let path = std::path::absolute(path).context(shown)?;
        let (size, mtime_ns) = stamp(&path).context(shown)?;
        let fits = |s: u64, m: u64| s == size && m == mtime_ns;
        for (folder, manifest) in &self.manifests {
            let name = path.strip_prefix(folder).ok().and_then(Path::to_str);
            if let Some(known) = name.and_then(|name| manifest.resources.get(name))
                && fits(known.size, known.mtime_ns)
            {
                return Ok(format!("sha256:{}", known.sha256));
            }
        }
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let sha256 = match all.get(&path) {
            Some(known) if fits(known.size, known.mtime_ns) => known.sha256.clone(),
            _ => {
                let sha256 = sha256_file(&path)?;
                all.insert(path, Known { size, mtime_ns, sha256: sha256.clone() });
                self.keep(&mut all);
                sha256
            }
        };
        Ok(format!("sha256:{sha256}"))
    }

    /// Keeps what is known for the next call; where that is not possible it is read again.
    fn keep(&self, all: &mut BTreeMap<PathBuf, Known>) {
        if all.len() > KEPT {
            all.retain(|path, known| stamp(path).is_ok_and(|now| now == (known.size, known.mtime_ns)));
        }
        let Some(folder) = self.file.parent() else { return };
        if let Ok(file) = tempfile::NamedTempFile::new_in(folder)
            && serde_json::to_writer(file.as_file(), all).is_ok()
        {
            let _ = file.persist(&self.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_the_file_as_it_is_now() {
        let folder = tempfile::tempdir().unwrap();
        let (resources, file) = (folder.path(), folder.path().join("kernel"));
        fs::write(&file, "one").unwrap();
        let one = Digests::open(resources, resources).unwrap().of(&file).unwrap();
        assert_eq!(one, format!("sha256:{}", futon_common::sha256_bytes("one")));
        fs::write(&file, "three").unwrap();
        let digests = Digests::open(resources, resources).unwrap();
        assert_eq!(digests.of(&file).unwrap(), format!("sha256:{}", futon_common::sha256_bytes("three")));
        assert!(digests.of(&folder.path().join("none")).is_err());
    }

    #[test]
    fn what_is_known_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (resources, file) = (folder.path(), folder.path().join("kernel"));
        fs::write(&file, "one").unwrap();
        let one = Digests::open(resources, resources).unwrap().of(&file).unwrap();
        let kept = fs::metadata(&file).unwrap().modified().unwrap();
        // Same size and time stamp: only reading it would show the change.
        fs::write(&file, "two").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(kept).unwrap();
        assert_eq!(Digests::open(resources, resources).unwrap().of(&file).unwrap(), one);
        fs::remove_file(resources.join(FILE)).unwrap();
        assert_ne!(Digests::open(resources, resources).unwrap().of(&file).unwrap(), one);
        // The manifest's word counts as much.
        let mut manifest = Manifest::default();
        manifest.record(resources, "kernel", "by hand", &BTreeMap::new()).unwrap();
        manifest.resources.get_mut("kernel").unwrap().sha256 = "0".repeat(64);
        manifest.write(resources).unwrap();
        assert_eq!(
            Digests::open(resources, resources).unwrap().of(&file).unwrap(),
            format!("sha256:{}", "0".repeat(64))
        );
    }
}
