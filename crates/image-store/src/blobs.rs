//! Blobs: files named by their content, and the staging folder where they are collected.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futon_model::Digest;
use nix::fcntl::Flock;
use sha2::{Digest as _, Sha256};

use super::lock::{lock_store, try_lock_folder};
use super::{Descriptor, StoreError};

/// Copy buffer, bytes.
const CHUNK: usize = 256 << 10;

/// Where the blobs of a store are.
pub(super) fn blob_folder(store: &Path) -> PathBuf {
    store.join("blobs/sha256")
}

/// The file of a blob.
pub(super) fn blob_path(store: &Path, digest: &Digest) -> PathBuf {
    blob_folder(store).join(digest.hex())
}

/// True when the blob is there with the right size; its content was checked when it was added.
pub(super) fn is_present(store: &Path, descriptor: &Descriptor) -> bool {
    fs::metadata(blob_path(store, &descriptor.digest)).is_ok_and(|m| m.is_file() && m.len() == descriptor.size)
}

/// The digest of a sha256 state.
pub(super) fn digest_of(hash: Sha256) -> Result<Digest, StoreError> {
    let text = format!("sha256:{}", hex::encode(hash.finalize()));
    text.parse().map_err(|_| StoreError::not_an_image(text.clone(), "not a digest"))
}

/// The digest of bytes.
pub(super) fn digest_bytes(bytes: &[u8]) -> Result<Digest, StoreError> {
    digest_of(Sha256::new_with_prefix(bytes))
}

/// Copies all of `from` into `to`; returns the digest and the number of bytes.
pub(super) fn copy_hashing(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<(Sha256, u64)> {
    let mut buffer = vec![0; CHUNK];
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok((hash, size)),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        size += n as u64;
    }
}

/// A folder inside the store where one add collects its blobs. It is locked while in use and removed with the value;
/// leftovers of a killed process are removed by the next one.
#[derive(Debug)]
pub(super) struct Staging {
    store: PathBuf,
    folder: PathBuf,
    blobs: BTreeSet<String>,
    _lock: Flock<File>,
}

impl Staging {
    /// Makes a staging folder, and removes unused ones.
    pub fn new(store: &Path) -> Result<Self, StoreError> {
        let parent = store.join("tmp");
        let _guard = lock_store(store)?;
        fs::create_dir_all(&parent).map_err(StoreError::io("create", &parent))?;
        for entry in fs::read_dir(&parent).map_err(StoreError::io("read", &parent))?.flatten() {
            // A failure means that its owner is just removing it, or that the next add will try again.
            if let Ok(Some(_unused)) = try_lock_folder(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let folder = tempfile::Builder::new()
            .prefix("add-")
            .tempdir_in(&parent)
            .map_err(StoreError::io("create a folder in", &parent))?
            .keep();
        let lock = try_lock_folder(&folder)?.ok_or_else(|| StoreError::Locked { path: folder.clone(), seconds: 0 })?;
        Ok(Self { store: store.to_owned(), folder, blobs: BTreeSet::new(), _lock: lock })
    }

    /// The folder, for things that are not blobs yet.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stages content whose digest and size are known; content that the store has is not read again.
    pub fn add(
        &mut self,
        what: &str,
        expected: &Descriptor,
        open: impl FnOnce() -> Result<Box<dyn Read>, StoreError>,
    ) -> Result<(), StoreError> {
        if is_present(&self.store, expected) {
            return Ok(());
        }
        self.add_anew(what, expected, open)
    }

    /// The same, but ignores whether the store already has it.
    pub fn add_anew(
        &mut self,
        what: &str,
        expected: &Descriptor,
        open: impl FnOnce() -> Result<Box<dyn Read>, StoreError>,
    ) -> Result<(), StoreError> {
        if self.blobs.contains(expected.digest.hex()) {
            return Ok(());
        }
        let found = self.take(what, &mut *open()?)?;
        if found.digest != expected.digest {
            return Err(StoreError::Digest {
                what: what.to_owned(),
                expected: expected.digest.clone(),
                found: found.digest,
            });
        }
        if found.size != expected.size {
            let why = format!(
                "is {} bytes long, its descriptor says {} (hint: the image is damaged)",
                found.size, expected.size
            );
            return Err(StoreError::not_an_image(what, why));
        }
        Ok(())
    }

    /// Stages content of any digest. The media type of the result is empty.
    pub fn take(&mut self, what: &str, content: &mut dyn Read) -> Result<Descriptor, StoreError> {
        let mut file =
            tempfile::NamedTempFile::new_in(&self.folder).map_err(StoreError::io("write in", &self.folder))?;
        let (hash, size) =
            copy_hashing(content, file.as_file_mut()).map_err(StoreError::io("copy", Path::new(what)))?;
        let digest = digest_of(hash)?;
        let path = self.folder.join(digest.hex());
        file.as_file().set_permissions(fs::Permissions::from_mode(0o444)).map_err(StoreError::io("write", &path))?;
        file.as_file().sync_data().map_err(StoreError::io("write", &path))?;
        file.persist(&path).map_err(|e| StoreError::io("write", &path)(e.error))?;
        self.blobs.insert(digest.hex().to_owned());
        Ok(Descriptor { media_type: String::new(), digest, size })
    }

    /// Removes staged content.
    pub fn discard(&mut self, digest: &Digest) -> Result<(), StoreError> {
        if self.blobs.remove(digest.hex()) {
            let path = self.folder.join(digest.hex());
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    /// Opens a blob that was staged, or that the store has already.
    pub fn open(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = match self.blobs.contains(digest.hex()) {
            true => self.folder.join(digest.hex()),
            false => blob_path(&self.store, digest),
        };
        File::open(&path).map_err(StoreError::io("read", &path))
    }

    /// Moves every staged blob into the store; the caller holds the store's lock. Returns the number of new bytes.
    pub fn commit(&mut self) -> Result<u64, StoreError> {
        let to = blob_folder(&self.store);
        fs::create_dir_all(&to).map_err(StoreError::io("create", &to))?;
        let mut new_bytes = 0;
        for hex in std::mem::take(&mut self.blobs) {
            let (from, to) = (self.folder.join(&hex), to.join(&hex));
            new_bytes += fs::metadata(&from).map_err(StoreError::io("read", &from))?.len();
            fs::rename(&from, &to).map_err(StoreError::io("move a blob to", &to))?;
        }
        Ok(new_bytes)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A leftover is harmless: it is unlocked from now on, and the next add removes it.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
