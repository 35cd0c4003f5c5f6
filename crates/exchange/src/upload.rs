//! One file on its way in: streamed to a nameless file, then given its final name in one step.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futon_model::EventKind;
use hyper::StatusCode;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use tempfile::TempPath;
use tokio::task::JoinHandle;

use super::error::Refusal;
use super::names::{PARTIAL_PREFIX, cut, numbered};
use super::quota::Charge;
use super::state::State;

/// How much is collected before it is written, bytes.
const BATCH: usize = 512 << 10;

/// Tells that an upload failed, unless it is told otherwise: also when the connection breaks and nobody is
/// left to say so.
#[derive(Debug)]
pub(super) struct Attempt {
    state: Arc<State>,
    name: String,
    authentic: bool,
    done: bool,
}

impl Attempt {
    pub fn new(state: &Arc<State>, name: &str, authentic: bool) -> Self {
        Self { state: Arc::clone(state), name: cut(name), authentic, done: false }
    }

    /// The upload failed; the client gets the reason.
    pub fn failed(mut self, refusal: &Refusal) {
        self.tell(refusal.status.as_u16(), refusal.why.clone());
    }

    /// The file is stored.
    pub fn stored(mut self, stored: &Stored) {
        self.done = true;
        let (name, authentic) = (self.name.clone(), self.authentic);
        let event = EventKind::Uploaded { name, stored_as: stored.name.clone(), bytes: stored.bytes, authentic };
        self.state.events.tell(authentic, event);
    }

    fn tell(&mut self, status: u16, why: String) {
        self.done = true;
        let (name, authentic) = (self.name.clone(), self.authentic);
        self.state.events.tell(authentic, EventKind::UploadFailed { name, status, why, authentic });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.done {
            self.tell(StatusCode::BAD_REQUEST.as_u16(), "the connection broke before the file was complete".to_owned());
        }
    }
}

/// A stored file.
#[derive(Debug)]
pub(super) struct Stored {
    pub name: String,
    pub bytes: u64,
}

/// Where an unfinished upload lies.
#[derive(Debug)]
enum Partial {
    /// A file without a name: it vanishes with its last handle, even when futon is killed.
    Nameless(File),
    /// A hidden name, for file systems that know no nameless files, and to keep no handle open.
    Hidden(TempPath),
}

/// A file being received. Dropped before [`Whole::store`], nothing of it is left.
#[derive(Debug)]
pub(super) struct Receiver {
    name: String,
    charge: Charge,
    file: Option<File>,
    hidden: Option<TempPath>,
    batch: Vec<Bytes>,
    batched: usize,
    bytes: u64,
    writing: Option<JoinHandle<io::Result<File>>>,
}

impl Receiver {
    /// Starts a file in `folder`. With `hidden`, no file handle stays open once all is received.
    pub fn new(folder: &Path, name: String, charge: Charge, hidden: bool) -> Result<Self, Refusal> {
        let failed = |e: io::Error| Refusal::storing(&name, &e);
        let nameless = if hidden { None } else { open_nameless(folder).map_err(failed)? };
        let (file, hidden) = match nameless {
            Some(file) => (file, None),
            None => {
                let mut builder = tempfile::Builder::new();
                builder.prefix(PARTIAL_PREFIX).permissions(std::fs::Permissions::from_mode(0o644));
                let (file, path) = builder.tempfile_in(folder).map_err(failed)?.into_parts();
                (file, Some(path))
            }
        };
        Ok(Self { name, charge, file: Some(file), hidden, batch: Vec::new(), batched: 0, bytes: 0, writing: None })
    }

    /// Takes a piece. It is written while the next ones come in.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Refusal> {
        self.charge.add(piece.len() as u64)?;
        self.bytes += piece.len() as u64;
        self.batched += piece.len();
        self.batch.push(piece);
        if self.batched >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Everything was received: waits until it is written.
    pub async fn finish(mut self) -> Result<Whole, Refusal> {
        self.flush().await?;
        self.settle().await?;
        let (Some(file), name) = (self.file, self.name) else {
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the file was lost"));
        };
        let partial = match self.hidden {
            Some(path) => Partial::Hidden(path),
            None => Partial::Nameless(file),
        };
        Ok(Whole { name, bytes: self.bytes, charge: self.charge, partial })
    }

    async fn flush(&mut self) -> Result<(), Refusal> {
        self.settle().await?;
        let batch = std::mem::take(&mut self.batch);
        self.batched = 0;
        if let Some(file) = self.file.take() {
            self.writing = Some(tokio::task::spawn_blocking(move || write_all(file, &batch)));
        }
        Ok(())
    }

    /// Waits for the write in progress.
    async fn settle(&mut self) -> Result<(), Refusal> {
        if let Some(writing) = self.writing.take() {
            let written = writing.await.unwrap_or_else(|e| Err(io::Error::other(e)));
            self.file = Some(written.map_err(|e| Refusal::storing(&self.name, &e))?);
        }
        Ok(())
    }
}

fn write_all(mut file: File, batch: &[Bytes]) -> io::Result<File> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|b| IoSlice::new(b)).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut left, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(file)
}

fn open_nameless(folder: &Path) -> io::Result<Option<File>> {
    let opened =
        OpenOptions::new().write(true).mode(0o644).custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC).open(folder);
    match opened {
        Ok(file) => Ok(Some(file)),
        // Errors of kernels and file systems without support for unnamed files.
        Err(e)
            if matches!(
                e.raw_os_error().map(Errno::from_raw),
                Some(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL)
            ) =>
        {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// A completely received file without a name.
#[derive(Debug)]
pub(super) struct Whole {
    name: String,
    bytes: u64,
    charge: Charge,
    partial: Partial,
}

impl Whole {
    /// Gives the file its name, or the next free `name.2`, `name.3` …: existing files are never replaced.
    pub async fn store(self, state: &Arc<State>) -> Result<Stored, Refusal> {
        let (state, name) = (Arc::clone(state), self.name.clone());
        let linking = tokio::task::spawn_blocking(move || self.link(&state));
        let stored = linking.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        stored.map_err(|e| Refusal::storing(&name, &e))
    }

    fn link(self, state: &State) -> io::Result<Stored> {
        let folder = &state.config.uploads;
        let mut partial = self.partial;
        let mut n = state.next_number(&self.name);
        loop {
            let name = numbered(&self.name, n);
            let path: PathBuf = folder.join(&name);
            partial = match partial {
                Partial::Nameless(file) => {
                    // Linking by the handle itself would need a capability; linking by its /proc name needs none.
                    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
                    match nix::unistd::linkat(AT_FDCWD, from.as_str(), AT_FDCWD, &path, AtFlags::AT_SYMLINK_FOLLOW) {
                        Ok(()) => break self.charge.keep(),
                        Err(Errno::EEXIST) => Partial::Nameless(file),
                        Err(e) => return Err(e.into()),
                    }
                }
                Partial::Hidden(temp) => match temp.persist_noclobber(&path) {
                    Ok(()) => break self.charge.keep(),
                    Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Partial::Hidden(e.path),
                    Err(e) => return Err(e.error),
                },
            };
            n += 1;
        }
        state.used_number(&self.name, n);
        Ok(Stored { name: numbered(&self.name, n), bytes: self.bytes })
    }
}
