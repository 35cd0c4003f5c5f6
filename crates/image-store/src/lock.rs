//! Locks between processes: the store's own, and one on each staging folder.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use super::StoreError;

/// How long a process waits for another one's short critical section.
pub(super) const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// Locks the store at `folder`, which is created if it does not exist; dropping the returned value releases the lock.
pub(super) fn lock_store(folder: &Path) -> Result<Flock<File>, StoreError> {
    let path = folder.join(".lock");
    fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    let start = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((returned, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR))
                if start.elapsed() < LOCK_LIMIT =>
            {
                file = returned;
                std::thread::sleep(Duration::from_millis(20));
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                return Err(StoreError::Locked { path: folder.to_owned(), seconds: LOCK_LIMIT.as_secs() });
            }
            Err((_, error)) => return Err(StoreError::io("lock", &path)(error.into())),
        }
    }
}

/// Marks `folder` as in use by this process; `None` when another process (or thread) uses it.
pub(super) fn try_lock_folder(folder: &Path) -> Result<Option<Flock<File>>, StoreError> {
    let file = File::open(folder).map_err(StoreError::io("open", folder))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(StoreError::io("lock", folder)(error.into())),
    }
}
