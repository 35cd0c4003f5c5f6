//! Locks on folders of runs: two calls in one folder would mix their results.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::time::SystemTime;

use futon_common::{Context, Error, Result};

/// The lock file in the folder. It is never removed: a lock on a removed file locks nothing.
pub const LOCK_FILE: &str = ".futon-lock";

/// A folder that no other futon may change while this lives. The kernel releases it, however the process ends.
#[derive(Debug)]
pub struct FolderLock {
    /// Locked; `None` on a file system without locks.
    file: Option<File>,
}

impl FolderLock {
    /// Locks the folder and makes it if needed. `doing` tells other processes who holds it, as in `futon run`.
    ///
    /// # Errors
    /// When another futon holds the folder, or it cannot be written.
    pub fn take(folder: &Path, doing: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| {
            let message = format!("cannot make the folder {}", folder.display());
            match e.kind() {
                // A file is in its place.
                ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                    Error::usage(message).caused_by(e).hint("choose another folder with --dir or --out")
                }
                _ => Error::infra(message).caused_by(e),
            }
        })?;
        let path = folder.join(LOCK_FILE);
        let failed = || format!("cannot write {}", path.display());
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(&path).context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(folder, &mut file)),
            Err(TryLockError::Error(_)) => return Ok(Self { file: None }),
        }
        let since = humantime::format_rfc3339_seconds(SystemTime::now());
        let holder = format!("{doing}, process {} since {since}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).context(failed)?;
        Ok(Self { file: Some(file) })
    }

    /// Locks the folder for reading, together with other readers. A folder that was never locked, or cannot be locked, is free.
    ///
    /// # Errors
    /// When another futon changes the folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let Ok(mut file) = File::open(folder.join(LOCK_FILE)) else { return Ok(Self { file: None }) };
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(in_use(folder, &mut file)),
            Err(TryLockError::Error(_)) => Ok(Self { file: None }),
        }
    }
}

impl Drop for FolderLock {
    /// Closing the file is not enough: a child that this process has just forked also has it, until it executes its program.
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.unlock();
        }
    }
}

/// Says who holds a folder.
fn in_use(folder: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
    let holder = if holder.trim().is_empty() { "another futon" } else { holder.trim() };
    Error::infra(format!("{} is in use: {holder}", folder.display()))
        .hint("wait until it ends, or choose another folder with --dir or --out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("w");
        let lock = FolderLock::take(&dir, "futon run").unwrap();
        for second in [FolderLock::take(&dir, "futon build").map(drop), FolderLock::read(&dir).map(drop)] {
            let error = second.unwrap_err();
            assert_eq!(error.exit_code(), futon_model::ExitCode::Infra);
            let said = error.to_string();
            let wanted = format!("{} is in use: futon run, process {} since 20", dir.display(), std::process::id());
            assert!(said.starts_with(&wanted), "{said}");
        }
        drop(lock);
        let readers = [FolderLock::read(&dir).unwrap(), FolderLock::read(&dir).unwrap()];
        let error = FolderLock::take(&dir, "futon build").unwrap_err();
        assert!(error.to_string().contains("is in use"), "{error}");
        drop(readers);
        FolderLock::take(&dir, "futon build").unwrap();
    }

    #[test]
    fn a_released_folder_is_free_though_a_child_still_has_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path(), "futon run").unwrap();
        // As in a forked child that has not executed its program yet.
        let _inherited = lock.file.as_ref().unwrap().try_clone().unwrap();
        drop(lock);
        FolderLock::take(folder.path(), "futon build").unwrap();
    }
}
