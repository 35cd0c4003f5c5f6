//! One connection: its state, and what is sent on it. What comes is in `receive`.

use std::rc::Rc;
use std::time::Instant;

use calls::wire::Broken;

use super::frame::{LARGEST, PREFACE, begin, error, flag, kind, number, setting, settings};
use super::hpack::{Headers, write_integer};
use super::request::{Form, Requests};
use super::streams::Streams;
use crate::load::flight::{Done, Fate, Flight};

/// Bytes that a server may send on a stream without a word of ours: no reply that is taken is longer.
pub(super) const WINDOW: u32 = 0x7fff_ffff;
/// Calls in flight where the server does not say how many it takes.
const MANY: usize = 1 << 16;
/// gRPC's status of a call whose own deadline has passed.
const DEADLINE_EXCEEDED: u32 = 4;

/// A connection. It reads and writes nothing: bytes come by [`Http2::receive`] and leave in [`Http2::out`].
#[derive(Debug)]
pub struct Http2 {
    /// Bytes to be sent.
    pub out: Vec<u8>,
    pub(super) requests: Rc<Requests>,
    pub(super) streams: Streams,
    pub(super) headers: Headers,
    /// A list of headers that goes on in the next frame: its stream, flags and bytes.
    pub(super) unfinished: Option<(u32, u8)>,
    pub(super) block: Vec<u8>,
    request_block: Vec<u8>,
    next_id: u32,
    pub(super) form: Form,
    pub(super) announce: Option<usize>,
    pub(super) up: bool,
    /// Why no further call can be made on it.
    pub(super) leaving: Option<String>,
    pub(super) most: usize,
    pub(super) largest: usize,
    /// Bytes that may be sent on the connection, and on a new stream.
    pub(super) window: i64,
    pub(super) first_window: i64,
    /// Streams whose body waits for a window.
    pub(super) waiting: Vec<u32>,
    pub(super) taken: u32,
}

impl Http2 {
    /// A new connection; its first words are in [`Http2::out`].
    pub fn new(requests: Rc<Requests>) -> Self {
        let mut out = PREFACE.to_vec();
        let list = [
            (setting::ENABLE_PUSH, 0),
            (setting::INITIAL_WINDOW_SIZE, WINDOW),
            (setting::MAX_HEADER_LIST_SIZE, 16 << 10),
        ];
        settings(&mut out, &list);
        number(&mut out, kind::WINDOW_UPDATE, 0, WINDOW - 65_535);
        Self {
            out,
            requests,
            streams: Streams::default(),
            headers: Headers::new(),
            unfinished: None,
            block: Vec::new(),
            request_block: Vec::new(),
            next_id: 1,
            form: Form::First,
            announce: None,
            up: false,
            leaving: None,
            most: MANY,
            largest: LARGEST,
            window: 65_535,
            first_window: 65_535,
            waiting: Vec::new(),
            taken: 0,
        }
    }

    /// Whether the server has spoken.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Calls that are under way.
    pub fn in_flight(&self) -> usize {
        self.streams.open()
    }

    /// Whether another call may be sent now.
    pub fn has_room(&self) -> bool {
        self.up && self.leaving.is_none() && self.streams.open() < self.most
    }

    /// Why there will be no room on it again.
    pub fn leaving(&self) -> Option<&str> {
        self.leaving.as_deref()
    }

    /// Sends a call.
    pub fn send(&mut self, call: u32, flight: Flight) {
        let requests = Rc::clone(&self.requests);
        let Some(request) = requests.list.get(call as usize) else { return };
        let id = self.next_id;
        self.next_id += 2;
        if self.next_id > WINDOW - 2 {
            self.leaving = Some("all stream ids are used".to_owned());
        }
        self.request_block.clear();
        if let Some(size) = self.announce.take() {
            write_integer(&mut self.request_block, 0x20, 5, size);
        }
        self.form = request.write(&mut self.request_block, self.form);
        let end = if request.ends_with_headers { flag::END_STREAM } else { 0 };
        let mut parts = self.request_block.chunks(self.largest);
        let first = parts.next().unwrap_or_default();
        let last = |left: usize| if left == 0 { flag::END_HEADERS } else { 0 };
        begin(&mut self.out, first.len(), kind::HEADERS, end | last(parts.len()), id);
        self.out.extend_from_slice(first);
        while let Some(part) = parts.next() {
            begin(&mut self.out, part.len(), kind::CONTINUATION, last(parts.len()), id);
            self.out.extend_from_slice(part);
        }
        self.streams.add(id, call, flight, self.first_window);
        if !request.ends_with_headers {
            self.send_body(id, &requests);
        }
    }

    /// Sends as much of a body as the windows let.
    fn send_body(&mut self, id: u32, requests: &Requests) {
        let Some(stream) = self.streams.get(id) else { return };
        let Some(request) = requests.list.get(stream.call as usize) else { return };
        loop {
            let left = request.body.get(stream.sent..).unwrap_or_default();
            let may = usize::try_from(self.window.min(stream.window)).unwrap_or(0).min(self.largest);
            let part = left.get(..may).unwrap_or(left);
            if part.is_empty() && !left.is_empty() {
                self.waiting.push(id);
                return;
            }
            let ends = part.len() == left.len();
            begin(&mut self.out, part.len(), kind::DATA, if ends { flag::END_STREAM } else { 0 }, id);
            self.out.extend_from_slice(part);
            let count = i64::try_from(part.len()).unwrap_or(i64::MAX);
            self.window -= count;
            stream.window -= count;
            stream.sent += part.len();
            if ends {
                return;
            }
        }
    }

    pub(super) fn go_on(&mut self) {
        let requests = Rc::clone(&self.requests);
        for id in std::mem::take(&mut self.waiting) {
            self.send_body(id, &requests);
        }
    }

    /// A call has ended.
    pub(super) fn end(&mut self, id: u32, fate: &Fate, now: Instant, done: &mut impl Done) {
        let Some(stream) = self.streams.remove(id) else { return };
        let body = self.requests.list.get(stream.call as usize).map_or(0, |request| request.body.len());
        if *fate == Fate::Whole && stream.sent < body {
            // The server did not wait for all of the request, and would keep its half of the stream open.
            number(&mut self.out, kind::RST_STREAM, id, error::CANCEL);
        }
        done.done(&stream.flight, &stream.raw, fate, now);
        self.streams.recycle(stream.raw);
    }

    pub(super) fn give_up(&mut self, id: u32, fate: &Fate, now: Instant, done: &mut impl Done) {
        number(&mut self.out, kind::RST_STREAM, id, error::CANCEL);
        self.end(id, fate, now, done);
    }

    /// Gives up the calls whose time is over.
    pub fn expire(&mut self, now: Instant, done: &mut impl Done) {
        let late: Vec<(u32, bool)> = self
            .streams
            .all()
            .filter(|stream| stream.flight.expires <= now)
            .map(|stream| (stream.id, stream.flight.own_deadline))
            .collect();
        for (id, own) in late {
            let fate = if own {
                Fate::Local(DEADLINE_EXCEEDED, "the deadline has passed")
            } else {
                Fate::Broken(Broken::Deadline, "no reply within the limit".to_owned())
            };
            self.give_up(id, &fate, now, done);
        }
    }

    /// The server closed the connection in good order: what is under way is lost all the same.
    pub fn closed(&mut self, now: Instant, done: &mut impl Done) {
        self.lost("the server closed it", now, done);
    }

    /// The connection is lost, and with it the calls that are under way.
    pub fn lost(&mut self, why: &str, now: Instant, done: &mut impl Done) {
        let ids: Vec<u32> = self.streams.all().map(|stream| stream.id).collect();
        for id in ids {
            self.end(id, &Fate::Broken(Broken::Lost, format!("the connection was lost: {why}")), now, done);
        }
        self.leaving = Some(why.to_owned());
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
