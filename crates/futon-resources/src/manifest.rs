//! `manifest.json`: name, hash, size and origin of each resource.
//!
//! Hashes are taken when a thing is made; later uses look at size and time stamp only, so that they cost nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futon_common::{Context, Error, Result, readable, sha256_file, stamp};
use serde::{Deserialize, Serialize};

const FILE: &str = "manifest.json";
const SCHEMA: &str = "futon.resources/1";

/// What is known about the resources in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `futon.resources/1`.
    pub schema: String,
    /// Resources by file name.
    pub resources: BTreeMap<String, Resource>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// Size, bytes.
    pub size: u64,
    /// Time stamp when the hash was taken, nanoseconds since 1970.
    pub mtime_ns: u64,
    /// How it was made, for people.
    pub made: String,
    /// Hashes of what it was made from, by name.
    pub inputs: BTreeMap<String, String>,
}

/// What is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The file is not there.
    Missing,
    /// Size or time stamp differ from the manifest's.
    Changed(String),
    /// The hash differs.
    Damaged,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Changed(how) => write!(f, "changed since it was made ({how})"),
            Self::Damaged => f.write_str("damaged: the hash differs from the manifest's"),
        }
    }
}

impl Default for Manifest {
    fn default() -> Self {
        Self { schema: SCHEMA.into(), resources: BTreeMap::new() }
    }
}

impl Manifest {
    /// Reads the manifest of a folder; an empty one if there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| {
                Error::infra(format!("malformed {}", path.display()))
                    .caused_by(e)
                    .hint("remove it; `futon resources build` writes a new one")
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(Error::infra(format!("cannot read {}", path.display())).caused_by(e)),
        }
    }

    /// Writes the manifest, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let failed = || format!("cannot write {}", path.display());
        let file = tempfile::NamedTempFile::new_in(folder).context(failed)?;
        serde_json::to_writer_pretty(file.as_file(), self).context(failed)?;
        readable(file.path()).context(failed)?;
        file.persist(&path).context(failed)?;
        Ok(())
    }

    /// Takes a file into the manifest: hashes it and notes size and time stamp.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn record(&mut self, folder: &Path, name: &str, made: &str, inputs: &BTreeMap<String, String>) -> Result<()> {
        let path = folder.join(name);
        let (size, mtime_ns) = stamp(&path).context(|| format!("cannot read {}", path.display()))?;
        let resource =
            Resource { sha256: sha256_file(&path)?, size, mtime_ns, made: made.into(), inputs: inputs.clone() };
        self.resources.insert(name.into(), resource);
        Ok(())
    }

    /// What is wrong with a resource by size and time stamp; nothing for one that the manifest does not know.
    #[must_use]
    pub fn check(&self, folder: &Path, name: &str) -> Option<Problem> {
        let resource = self.resources.get(name)?;
        let Ok((size, mtime_ns)) = stamp(&folder.join(name)) else { return Some(Problem::Missing) };
        if size != resource.size {
            return Some(Problem::Changed(format!("{size} bytes instead of {}", resource.size)));
        }
        (mtime_ns != resource.mtime_ns).then(|| Problem::Changed("a different time stamp".into()))
    }

    /// Compares a resource with its hash.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn verify(&self, folder: &Path, name: &str) -> Result<Option<Problem>> {
        let Some(resource) = self.resources.get(name) else { return Ok(None) };
        let path: PathBuf = folder.join(name);
        if !path.exists() {
            return Ok(Some(Problem::Missing));
        }
        Ok((sha256_file(&path)? != resource.sha256).then_some(Problem::Damaged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kernel");
        fs::write(&file, "one").unwrap();
        let mut manifest = Manifest::default();
        manifest.record(folder.path(), "kernel", "by hand", &BTreeMap::new()).unwrap();
        manifest.write(folder.path()).unwrap();
        let manifest = Manifest::read(folder.path()).unwrap();
        assert_eq!(manifest.check(folder.path(), "kernel"), None);
        assert_eq!(manifest.verify(folder.path(), "kernel").unwrap(), None);
        let kept = fs::metadata(&file).unwrap().modified().unwrap();

        // Same size and time stamp, different content: only the hash shows it.
        fs::write(&file, "two").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(kept).unwrap();
        assert_eq!(manifest.check(folder.path(), "kernel"), None);
        assert_eq!(manifest.verify(folder.path(), "kernel").unwrap(), Some(Problem::Damaged));

        fs::write(&file, "three").unwrap();
        assert!(matches!(manifest.check(folder.path(), "kernel"), Some(Problem::Changed(_))));
        fs::remove_file(&file).unwrap();
        assert_eq!(manifest.check(folder.path(), "kernel"), Some(Problem::Missing));
        assert_eq!(manifest.check(folder.path(), "unknown"), None);
    }
}
