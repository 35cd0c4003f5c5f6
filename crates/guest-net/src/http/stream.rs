//! A connection on which no wait is without limit.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use super::Target;

/// How long a request may wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the connection.
    pub connect: Duration,
    /// For each single read or write.
    pub io: Duration,
    /// For everything together, the body's last byte included.
    pub whole: Duration,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection with its limits.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    io: Duration,
    end: Instant,
}

impl Stream {
    pub(super) fn connect(target: &Target, limits: Limits) -> io::Result<Self> {
        let end = Instant::now() + limits.whole;
        let socket = match target {
            Target::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, limits.connect.min(limits.whole))?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
            Target::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
        };
        Ok(Self { socket, io: limits.io, end })
    }

    /// What is left of the limits for the next single wait.
    fn next_wait(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the request's time limit was reached"));
        }
        Ok(left.min(self.io).max(Duration::from_millis(1)))
    }
}

/// Sockets say "would block" when their time limit strikes.
fn clearer(error: io::Error, what: &str) -> io::Error {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        io::Error::new(io::ErrorKind::TimedOut, format!("no progress within the time limit while {what}"))
    } else {
        error
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wait = Some(self.next_wait()?);
        match &mut self.socket {
            Socket::Tcp(stream) => stream.set_read_timeout(wait).and_then(|()| stream.read(buffer)),
            Socket::Unix(stream) => stream.set_read_timeout(wait).and_then(|()| stream.read(buffer)),
        }
        .map_err(|error| clearer(error, "receiving"))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wait = Some(self.next_wait()?);
        match &mut self.socket {
            Socket::Tcp(stream) => stream.set_write_timeout(wait).and_then(|()| stream.write(bytes)),
            Socket::Unix(stream) => stream.set_write_timeout(wait).and_then(|()| stream.write(bytes)),
        }
        .map_err(|error| clearer(error, "sending"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
