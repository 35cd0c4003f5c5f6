//! One connection: reading bodies with a limit on every wait, writing with one, knowing whether it is in use.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::error::Refusal;

/// How much is read and discarded after a refusal, so that the client can read the answer, bytes.
const DRAIN_BYTES: u64 = 64 << 20;

/// How long it is thrown away.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Something that gives a request's body piece by piece.
pub(super) trait Pieces {
    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Refusal>;
}

/// A request's body.
#[derive(Debug)]
pub(super) struct Inbound {
    body: Option<Incoming>,
    idle: Duration,
    received: u64,
    /// The client waits for permission to send its body, and has not got it yet.
    asks_first: bool,
}

impl Inbound {
    pub fn new(body: Incoming, idle: Duration, asks_first: bool) -> Self {
        Self { body: Some(body), idle, received: 0, asks_first }
    }

    /// The next piece; `None` at the end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Some(body) = &mut self.body else { return Ok(None) };
        self.asks_first = false;
        loop {
            let frame = match timeout(self.idle, body.frame()).await {
                Err(_) => {
                    let why = format!("nothing arrived for {} s, after {} bytes", self.idle.as_secs(), self.received);
                    return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, why));
                }
                Ok(None) => {
                    self.body = None;
                    return Ok(None);
                }
                Ok(Some(Err(_))) => {
                    self.body = None;
                    return Err(Refusal::bad(format!("the client stopped after {} bytes", self.received)));
                }
                Ok(Some(Ok(frame))) => frame,
            };
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                self.received += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }

    /// True when the client has more of its body to send.
    pub fn is_unfinished(&self) -> bool {
        self.body.as_ref().is_some_and(|body| !hyper::body::Body::is_end_stream(body))
    }

    /// Discards the rest of a refused body, in the background and within bounds. Without this the
    /// client, still sending, would meet a closed connection and never read the answer.
    pub fn discard(mut self) {
        // A client that waits for leave reads the refusal instead, and sends nothing.
        if self.body.is_none() || self.asks_first {
            return;
        }
        tokio::spawn(async move {
            let mut left = DRAIN_BYTES;
            let drain = async {
                while let Ok(Some(piece)) = self.piece().await {
                    left = left.saturating_sub(piece.len() as u64);
                    if left == 0 {
                        break;
                    }
                }
            };
            let _ = timeout(DRAIN_TIME, drain).await;
        });
    }
}

impl Pieces for Inbound {
    async fn piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        Self::piece(self).await
    }
}

/// How a connection is used: requests in progress, and since when there are none.
#[derive(Debug)]
pub(super) struct Usage(Mutex<(usize, Instant)>);

impl Usage {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((0, Instant::now()))))
    }

    /// How long the connection has had no request.
    pub fn idle_for(&self) -> Option<Duration> {
        let (requests, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (requests == 0).then(|| since.elapsed())
    }
}

/// Marks a connection as in use while it lives.
#[derive(Debug)]
pub(super) struct Busy(Arc<Usage>);

impl Busy {
    pub fn new(usage: &Arc<Usage>) -> Self {
        usage.0.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        Self(Arc::clone(usage))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut usage = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *usage = (usage.0.saturating_sub(1), Instant::now());
    }
}

/// A stream that gives up on a peer that reads nothing for too long.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    stalled: bool,
}

impl Patient {
    pub fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit, timer: None, stalled: false }
    }

    fn watch<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = false;
            return result;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.stalled {
            // A new wait begins. The timer itself is used again: one allocation a connection.
            timer.as_mut().reset(Instant::now() + limit);
            self.stalled = true;
        }
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
