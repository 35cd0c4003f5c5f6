//! Answers, and their bodies: text, or pieces of files read as the client takes them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use tokio::task::JoinHandle;

use super::connection::Busy;
use super::error::Refusal;

/// How much of a file is read at once, bytes. Small enough to stay in the processor's cache until it is sent.
const CHUNK: usize = 64 << 10;

/// The type of answers.
pub(super) type Answer = Response<Body>;

/// Short ways to make answers.
pub(super) trait Answers {
    /// No body. `Content-Length: 0` is left to the server, which knows where it belongs.
    fn empty(status: StatusCode) -> Self;
    /// A short text in full.
    fn text(status: StatusCode, media_type: &'static str, text: impl Into<Bytes>) -> Self;
}

impl Answers for Answer {
    fn empty(status: StatusCode) -> Self {
        let mut answer = Response::new(Body::default());
        *answer.status_mut() = status;
        answer
    }

    fn text(status: StatusCode, media_type: &'static str, text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let mut answer = Response::new(Body::pieces([Piece::Bytes(text)]));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        answer
    }
}

/// A refusal as the client gets it: one line of text.
pub(super) fn refused(refusal: &Refusal) -> Answer {
    Answer::text(refusal.status, "text/plain; charset=utf-8", format!("{}: {}\n", refusal.status, refusal.why))
}

/// Sets a header whose value the exchange made itself.
pub(super) fn put(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes at hand.
    Bytes(Bytes),
    /// `size` bytes of a file from `at` on.
    File { file: Arc<File>, at: u64, size: u64 },
}

impl Piece {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// Called once with the number of bytes that were handed out: when all were, or when the client went away.
type OnEnd = Box<dyn FnOnce(u64) + Send>;

/// A body of known size. Memory: a few chunks, whatever the size.
#[derive(Default)]
pub(super) struct Body {
    pieces: VecDeque<Piece>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    left: u64,
    given: u64,
    buffers: Pool,
    on_end: Option<OnEnd>,
    busy: Option<Busy>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("left", &self.left).field("given", &self.given).finish_non_exhaustive()
    }
}

impl Body {
    pub fn pieces(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let pieces: VecDeque<Piece> = pieces.into_iter().filter(|p| p.size() > 0).collect();
        let left = pieces.iter().map(Piece::size).sum();
        Self { pieces, left, reading: None, given: 0, buffers: Pool::default(), on_end: None, busy: None }
    }

    /// Has `on_end` called at the end.
    pub fn on_end(mut self, on_end: impl FnOnce(u64) + Send + 'static) -> Self {
        self.on_end = Some(Box::new(on_end));
        self
    }

    /// Keeps the connection marked as busy as long as the body lives.
    pub fn hold(&mut self, busy: Busy) {
        self.busy = Some(busy);
    }

    /// The size still to come.
    pub fn size(&self) -> u64 {
        self.left
    }

    /// The next chunk of the file in front, if the system has it in memory: most files of a run are, and
    /// a change of threads for each chunk would cost more than the copy.
    fn read_now(&mut self) -> Option<Bytes> {
        let Some(Piece::File { file, at, size }) = self.pieces.front() else { return None };
        let want = usize::try_from(*size).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = self.buffers.take(want);
        chunk.used = read_cached(file, &mut chunk.bytes[..want], *at)?;
        self.advance(chunk.used);
        Some(Bytes::from_owner(chunk))
    }

    /// Starts to read the next chunk of the file in front on a thread that may wait for the disk.
    fn read_later(&mut self) {
        let Some(Piece::File { file, at, size }) = self.pieces.front() else { return };
        let want = usize::try_from(*size).unwrap_or(CHUNK).min(CHUNK);
        let (source, offset, pool) = (Arc::clone(file), *at, self.buffers.clone());
        self.advance(want);
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut chunk = pool.take(want);
            source.read_exact_at(&mut chunk.bytes[..want], offset)?;
            Ok(Bytes::from_owner(chunk))
        }));
    }

    /// Leaves `bytes` of the file in front behind.
    fn advance(&mut self, bytes: usize) {
        if let Some(Piece::File { at, size, .. }) = self.pieces.front_mut() {
            *at += bytes as u64;
            *size = size.saturating_sub(bytes as u64);
            if *size == 0 {
                self.pieces.pop_front();
            }
        }
    }

    fn give(&mut self, bytes: Bytes) -> Bytes {
        let size = bytes.len() as u64;
        self.left = self.left.saturating_sub(size);
        self.given += size;
        if self.left == 0 {
            self.end();
        }
        bytes
    }

    fn end(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.given);
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.end();
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if this.reading.is_none() {
            let at_hand = match this.pieces.pop_front() {
                Some(Piece::Bytes(bytes)) => Some(bytes),
                Some(file) => {
                    this.pieces.push_front(file);
                    this.read_now()
                }
                None => return Poll::Ready(None),
            };
            if let Some(bytes) = at_hand {
                return Poll::Ready(Some(Ok(Frame::data(this.give(bytes)))));
            }
            this.read_later();
        }
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        this.reading = None;
        let bytes = read.unwrap_or_else(|e| Err(io::Error::other(e)))?;
        Poll::Ready(Some(Ok(Frame::data(this.give(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads what is in memory, without waiting for the disk. `None`: nothing is, or the file system cannot tell.
fn read_cached(file: &File, into: &mut [u8], at: u64) -> Option<usize> {
    let vector = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let offset = libc::off_t::try_from(at).ok()?;
    // SAFETY: the vector describes `into`, which lives and is borrowed mutably for the whole call.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const vector, 1, offset, libc::RWF_NOWAIT) };
    if let Ok(read) = usize::try_from(read) {
        return Some(read).filter(|n| *n > 0);
    }
    // tmpfs does not support the query: all its data is in memory.
    let unknown = io::Error::last_os_error().raw_os_error() == Some(libc::EOPNOTSUPP);
    let in_memory = unknown && fstatfs(file).is_ok_and(|about| about.filesystem_type() == TMPFS_MAGIC);
    if in_memory { file.read_at(into, at).ok().filter(|n| *n > 0) } else { None }
}

/// Buffers that come back when the client has their content.
#[derive(Debug, Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    fn take(&self, want: usize) -> Chunk {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        if bytes.len() < want {
            bytes.resize(want, 0);
        }
        Chunk { bytes, used: want, pool: self.clone() }
    }
}

/// A buffer on loan.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    used: usize,
    pool: Pool,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.bytes));
    }
}

/// The answer to a HEAD: the header of the GET, without its body.
pub(super) fn without_body(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    if parts.status != StatusCode::NO_CONTENT && parts.status != StatusCode::NOT_MODIFIED {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.size()));
    }
    Response::from_parts(parts, Body::default())
}
