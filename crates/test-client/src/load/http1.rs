//! HTTP/1.1: one call at a time on a connection (RFC 9112). No input or output of its own.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use calls::wire::{Broken, Call, CallList, LARGEST_MESSAGE};
use httparse::{EMPTY_HEADER, Header, Status, parse_chunk_size, parse_headers};

use super::flight::{Done, Fate, Flight, Raw, STATUS, push_header};

/// Headers of a reply at most.
const MOST_HEADERS: usize = 100;
/// Bytes of headers at most, as everywhere in this client.
const LONGEST_HEAD: usize = 16 << 10;

/// A request as it is sent.
#[derive(Debug)]
pub struct Request {
    bytes: Vec<u8>,
    /// The reply has headers alone.
    head: bool,
}

/// The requests of all calls.
pub fn requests(calls: &CallList, address: SocketAddr) -> Vec<Request> {
    let host = calls.host(address);
    calls.calls.iter().map(|call| Request { bytes: written(call, &host), head: call.method == "HEAD" }).collect()
}

fn written(call: &Call, host: &str) -> Vec<u8> {
    let mut to = format!("{} {} HTTP/1.1\r\n", call.method, call.path).into_bytes();
    let mut push = |name: &str, value: &[u8]| {
        to.extend_from_slice(name.as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value);
        to.extend_from_slice(b"\r\n");
    };
    let has = |name: &str| call.headers.iter().any(|header| header.name == name);
    for (name, value) in [
        ("host", host.to_owned()),
        ("user-agent", concat!("futon-test-client/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("accept", "*/*".to_owned()),
    ] {
        if !has(name) {
            push(name, value.as_bytes());
        }
    }
    if !call.body.is_empty() || matches!(call.method.as_str(), "POST" | "PUT" | "PATCH") {
        push("content-length", call.body.len().to_string().as_bytes());
    }
    for header in &call.headers {
        push(&header.name, &header.value);
    }
    to.extend_from_slice(b"\r\n");
    to.extend_from_slice(&call.body);
    to
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    AfterChunk,
    Trailers,
    UntilClosed,
}

/// A connection.
#[derive(Debug)]
pub struct Http1 {
    /// Bytes to be sent.
    pub out: Vec<u8>,
    requests: Rc<Vec<Request>>,
    current: Option<(u32, Flight)>,
    part: Part,
    raw: Raw,
    leaving: Option<String>,
}

impl Http1 {
    /// A new connection.
    pub fn new(requests: Rc<Vec<Request>>) -> Self {
        Self { out: Vec::new(), requests, current: None, part: Part::Head, raw: Raw::default(), leaving: None }
    }

    /// Calls that are under way.
    pub fn in_flight(&self) -> usize {
        usize::from(self.current.is_some())
    }

    /// Whether another call may be sent now.
    pub fn has_room(&self) -> bool {
        self.current.is_none() && self.leaving.is_none()
    }

    /// Why there will be no room on it again.
    pub fn leaving(&self) -> Option<&str> {
        self.leaving.as_deref()
    }

    /// Sends a call.
    pub fn send(&mut self, call: u32, flight: Flight) {
        if let Some(request) = self.requests.get(call as usize) {
            self.out.extend_from_slice(&request.bytes);
            self.current = Some((call, flight));
            self.part = Part::Head;
            self.raw.clear();
        }
    }

    /// Takes bytes from the front of `bytes`; how many.
    ///
    /// # Errors
    /// The server breaks the protocol: the connection is of no use.
    pub fn receive(&mut self, bytes: &[u8], now: Instant, done: &mut impl Done) -> Result<usize, String> {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            if self.current.is_none() {
                return Err("the server sent data without a request".to_owned());
            }
            let Some(step) = self.step(rest)? else { break };
            used += step;
            if self.part == Part::Head && !self.raw.head.is_empty() {
                self.end(&Fate::Whole, now, done);
            } else if self.raw.body.len() > LARGEST_MESSAGE {
                let words = format!("a body of more than {LARGEST_MESSAGE} bytes, the limit");
                self.end(&Fate::Broken(Broken::TooLong, words), now, done);
                self.leaving = Some("a reply was too long".to_owned());
            }
        }
        Ok(used)
    }

    /// Reads one part; its bytes, if it is whole. [`Part::Head`] is next where a reply is whole.
    fn step(&mut self, rest: &[u8]) -> Result<Option<usize>, String> {
        let take = |raw: &mut Raw, left: usize| {
            let part = rest.get(..left).unwrap_or(rest);
            raw.body.extend_from_slice(part);
            part.len()
        };
        Ok(Some(match self.part {
            Part::Head => return self.head(rest),
            Part::Length(left) => {
                let taken = take(&mut self.raw, left);
                self.part = if taken == left { Part::Head } else { Part::Length(left - taken) };
                taken
            }
            Part::Chunk(left) => {
                let taken = take(&mut self.raw, left);
                self.part = if taken == left { Part::AfterChunk } else { Part::Chunk(left - taken) };
                taken
            }
            Part::AfterChunk => match rest {
                [b'\r', b'\n', ..] => {
                    self.part = Part::ChunkSize;
                    2
                }
                [b'\r'] => return Ok(None),
                _ => return Err("the server sent a chunk longer than its size".to_owned()),
            },
            Part::ChunkSize => match parse_chunk_size(rest) {
                Ok(Status::Complete((taken, size))) => {
                    let size = usize::try_from(size).unwrap_or(usize::MAX);
                    self.part = if size == 0 { Part::Trailers } else { Part::Chunk(size) };
                    taken
                }
                Ok(Status::Partial) => return Ok(None),
                Err(_) => return Err("the server sent a chunk without a size".to_owned()),
            },
            Part::Trailers => {
                let mut list = [EMPTY_HEADER; MOST_HEADERS];
                match parse_headers(rest, &mut list).map_err(|error| format!("the server's trailers: {error}"))? {
                    Status::Complete((taken, trailers)) => {
                        push_all(&mut self.raw.tail, trailers);
                        self.part = Part::Head;
                        taken
                    }
                    Status::Partial => return Ok(None),
                }
            }
            Part::UntilClosed => take(&mut self.raw, usize::MAX),
        }))
    }

    fn head(&mut self, rest: &[u8]) -> Result<Option<usize>, String> {
        let mut list = [EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut list);
        let parsed = response.parse(rest).map_err(|error| format!("the server does not speak HTTP: {error}"))?;
        let Status::Complete(taken) = parsed else {
            return if rest.len() > LONGEST_HEAD {
                Err(format!("headers of more than {LONGEST_HEAD} bytes, the limit"))
            } else {
                Ok(None)
            };
        };
        let status = response.code.unwrap_or_default();
        if (100..200).contains(&status) {
            return Ok(Some(taken));
        }
        push_header(&mut self.raw.head, STATUS, &digits(status));
        push_all(&mut self.raw.head, response.headers);
        let value = |name: &str| response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
        let says = |name: &str, word: &str| {
            value(name).is_some_and(|v| v.to_ascii_lowercase().windows(word.len()).any(|w| w == word.as_bytes()))
        };
        if says("connection", "close") || response.version == Some(0) && !says("connection", "keep-alive") {
            self.leaving = Some("the server ends the connection after a reply".to_owned());
        }
        let head =
            self.current.and_then(|(call, _)| self.requests.get(call as usize)).is_some_and(|request| request.head);
        self.part = if head || matches!(status, 204 | 304) {
            Part::Head
        } else if says("transfer-encoding", "chunked") {
            Part::ChunkSize
        } else if let Some(length) = value("content-length") {
            let length = std::str::from_utf8(length).ok().and_then(|text| text.trim().parse().ok());
            match length.ok_or("the server's content-length is not a number")? {
                0 => Part::Head,
                length => Part::Length(length),
            }
        } else {
            Part::UntilClosed
        };
        Ok(Some(taken))
    }

    fn end(&mut self, fate: &Fate, now: Instant, done: &mut impl Done) {
        self.part = Part::Head;
        if let Some((_, flight)) = self.current.take() {
            done.done(&flight, &self.raw, fate, now);
        }
        self.raw.clear();
    }

    /// Gives up the call whose time is over, and with it the connection: what would come on it is no reply to another call.
    pub fn expire(&mut self, now: Instant, done: &mut impl Done) {
        if self.current.is_some_and(|(_, flight)| flight.expires <= now) {
            self.leaving = Some("a call was given up".to_owned());
            self.end(&Fate::Broken(Broken::Deadline, "no reply within the limit".to_owned()), now, done);
        }
    }

    /// The server closed the connection in good order: that may be the end of a reply.
    pub fn closed(&mut self, now: Instant, done: &mut impl Done) {
        if self.part == Part::UntilClosed {
            self.end(&Fate::Whole, now, done);
        }
        self.lost("the server closed it", now, done);
    }

    /// The connection is lost, and with it the reply that is under way.
    pub fn lost(&mut self, why: &str, now: Instant, done: &mut impl Done) {
        self.leaving = Some(why.to_owned());
        self.end(&Fate::Broken(Broken::Lost, format!("the connection was lost: {why}")), now, done);
    }
}

fn push_all(to: &mut Vec<u8>, headers: &[Header<'_>]) {
    for header in headers {
        let at = to.len() + 4;
        push_header(to, header.name.as_bytes(), header.value);
        // Names are in lower case everywhere.
        if let Some(name) = to.get_mut(at..at + header.name.len()) {
            name.make_ascii_lowercase();
        }
    }
}

/// A status has three digits.
fn digits(status: u16) -> [u8; 3] {
    [100, 10, 1].map(|place| b'0' + u8::try_from(status / place % 10).unwrap_or(0))
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
