//! A stream that tells when its HTTP/2 server has spoken.
//!
//! That something accepts a connection proves nothing: Docker's port proxy does so before the
//! function listens. A server is there when its first frame, SETTINGS, has come.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// Bytes of a frame's header; the fourth is its type.
const HEADER: usize = 9;
const SETTINGS: u8 = 4;

/// The stream; reading from it feeds the sign.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    header: Vec<u8>,
    sign: Option<oneshot::Sender<Result<(), &'static str>>>,
}

/// Resolves when the server has spoken: HTTP/2, or something else.
pub type Sign = oneshot::Receiver<Result<(), &'static str>>;

impl<S> Watched<S> {
    /// Watches `stream`.
    pub fn new(stream: S) -> (Self, Sign) {
        let (sign, receiver) = oneshot::channel();
        (Self { stream, header: Vec::new(), sign: Some(sign) }, receiver)
    }

    fn notice(&mut self, bytes: &[u8]) {
        if self.sign.is_none() {
            return;
        }
        self.header.extend(bytes.iter().take(HEADER - self.header.len()));
        let verdict = match self.header.get(3) {
            _ if bytes.is_empty() => Err("the server closed the connection at once"),
            _ if self.header.len() < HEADER => return,
            Some(&SETTINGS) => Ok(()),
            _ => Err("the server does not speak HTTP/2"),
        };
        if let Some(sign) = self.sign.take() {
            // Nobody waits any more: fine.
            let _ = sign.send(verdict);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.notice(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
