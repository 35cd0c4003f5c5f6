//! A connection and its socket, which never blocks once it is open.

use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::flight::{Done, Flight};
use super::h2::Http2;
use super::http1::Http1;
use super::pipe::Pipe;
use super::target::{Kind, Target};

/// Bytes that are read at once: more than HTTP/2's largest frame, and than the longest headers of HTTP/1.1.
const INBOX: usize = 256 << 10;
/// One try to connect; a server may accept and then say nothing, and the next try may fare better.
const TRY: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A connection's own protocol.
#[derive(Debug)]
enum Wire {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// Does the same with either protocol.
macro_rules! either {
    ($wire:expr, $name:ident => $do:expr) => {
        match $wire {
            Wire::Http1($name) => $do,
            Wire::Http2($name) => $do,
        }
    };
}

/// A connection.
#[derive(Debug)]
pub struct Socket {
    /// Its bytes.
    pub pipe: Pipe,
    wire: Wire,
    inbox: Vec<u8>,
    filled: usize,
    written: usize,
}

impl Socket {
    /// Connects, trying again until `limit` is over. A server of HTTP/2 is there when it has spoken: that something accepts a connection
    /// proves nothing.
    ///
    /// # Errors
    /// How often it was tried, and how the last try ended.
    pub fn connect(target: &Target<'_>, limit: Duration) -> Result<Self, String> {
        let end = Instant::now() + limit;
        let mut pause = FIRST_PAUSE;
        let mut tries = 0_u32;
        loop {
            tries += 1;
            let left = end.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), TRY);
            let error = match Self::open(target, left) {
                Ok(socket) => return Ok(socket),
                Err(error) => error,
            };
            if Instant::now() + pause >= end {
                let limit = humantime::format_duration(limit);
                return Err(format!(
                    "no server at {} within {limit} ({tries} tries, the last: {error})",
                    target.address
                ));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn open(target: &Target<'_>, limit: Duration) -> Result<Self, String> {
        let (wire, protocol) = match &target.kind {
            Kind::Http1(requests) => (Wire::Http1(Box::new(Http1::new(Rc::clone(requests)))), "http/1.1"),
            Kind::Http2(requests) => (Wire::Http2(Box::new(Http2::new(Rc::clone(requests)))), "h2"),
        };
        let told = |error: std::io::Error| error.to_string();
        let pipe = Pipe::open(target.address, target.secure.as_ref(), protocol, limit)?;
        let mut socket = Self { pipe, wire, inbox: vec![0; INBOX], filled: 0, written: 0 };
        socket.flush()?;
        let begin = Instant::now();
        while !socket.is_up() {
            let late = || format!("the server did not speak within {}", humantime::format_duration(limit));
            if begin.elapsed() > limit {
                return Err(late());
            }
            match socket.read(Instant::now(), &mut Nobody) {
                Ok(Got::Bytes) => {}
                Ok(Got::Nothing) => return Err(late()),
                Ok(Got::Closed) => return Err("the server closed the connection at once".to_owned()),
                Err(error) => return Err(error),
            }
        }
        socket.pipe.socket().set_nonblocking(true).map_err(told)?;
        Ok(socket)
    }

    fn is_up(&self) -> bool {
        match &self.wire {
            Wire::Http1(_) => true,
            Wire::Http2(wire) => wire.is_up(),
        }
    }

    /// Calls that are under way.
    pub fn in_flight(&self) -> usize {
        either!(&self.wire, wire => wire.in_flight())
    }

    /// Whether another call may be sent now.
    pub fn has_room(&self) -> bool {
        either!(&self.wire, wire => wire.has_room())
    }

    /// Why there will be no room on it again.
    pub fn leaving(&self) -> Option<&str> {
        either!(&self.wire, wire => wire.leaving())
    }

    /// Sends a call; [`Socket::flush`] lets it go.
    pub fn send(&mut self, call: u32, flight: Flight) {
        either!(&mut self.wire, wire => wire.send(call, flight));
    }

    /// Gives up the calls whose time is over.
    pub fn expire(&mut self, now: Instant, done: &mut impl Done) {
        either!(&mut self.wire, wire => wire.expire(now, done));
    }

    /// The server closed the connection in good order.
    pub fn closed(&mut self, now: Instant, done: &mut impl Done) {
        either!(&mut self.wire, wire => wire.closed(now, done));
    }

    /// The connection is lost.
    pub fn lost(&mut self, why: &str, now: Instant, done: &mut impl Done) {
        either!(&mut self.wire, wire => wire.lost(why, now, done));
    }

    /// Writes what is to be sent, as far as the socket takes it; whether all is.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn flush(&mut self) -> Result<bool, String> {
        let out = either!(&mut self.wire, wire => &mut wire.out);
        while let Some(rest) = out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.pipe.write(rest) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        out.clear();
        self.written = 0;
        match self.pipe.flush() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads once, and takes what came.
    ///
    /// # Errors
    /// The connection is of no use.
    pub fn read(&mut self, now: Instant, done: &mut impl Done) -> Result<Got, String> {
        let room = self.inbox.get_mut(self.filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(format!("the server sent {INBOX} bytes without a whole frame or list of headers"));
        }
        let count = match self.pipe.read(room) {
            Ok(0) => return Ok(Got::Closed),
            Ok(count) => count,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                return Ok(Got::Nothing);
            }
            Err(error) => return Err(error.to_string()),
        };
        self.filled += count;
        let bytes = self.inbox.get(..self.filled).unwrap_or_default();
        let used = either!(&mut self.wire, wire => wire.receive(bytes, now, done))?;
        self.inbox.copy_within(used..self.filled, 0);
        self.filled -= used;
        Ok(Got::Bytes)
    }
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// Bytes.
    Bytes,
    /// Nothing yet.
    Nothing,
    /// The end.
    Closed,
}

/// Takes the ends of calls where there are none.
struct Nobody;

impl Done for Nobody {
    fn done(&mut self, _: &Flight, _: &super::flight::Raw, _: &super::flight::Fate, _: Instant) {}
    fn again(&mut self, _: &Flight) {}
}
