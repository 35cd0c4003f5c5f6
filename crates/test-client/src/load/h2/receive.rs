//! What the server's frames mean, and the frames that answer them.

use std::time::Instant;

use calls::wire::{Broken, LARGEST_MESSAGE};

use super::connection::{Http2, WINDOW};
use super::frame::{Frame, HEADER, LARGEST, begin, error_name, flag, kind, number, setting};
use super::hpack::Bad;
use super::streams::Stream;
use crate::declared::status_of_reset;
use crate::load::flight::{Done, Fate, status};

/// Bytes after which the connection's window is opened again.
const REOPENED: u32 = 1 << 28;
/// Bytes of a reply's body at most: a stream of messages may have several.
const LONGEST_BODY: usize = 4 * LARGEST_MESSAGE;
/// gRPC's status of a call that its declaration cancels.
const CANCELLED: u32 = 1;

impl Http2 {
    /// Takes whole frames from the front of `bytes`; how many bytes these were.
    ///
    /// # Errors
    /// The server breaks the protocol: the connection is of no use.
    pub fn receive(&mut self, bytes: &[u8], now: Instant, done: &mut impl Done) -> Result<usize, String> {
        let mut used = 0;
        while let Some(frame) = bytes.get(used..).and_then(Frame::read) {
            if !self.up && frame.kind != kind::SETTINGS {
                return Err("the server does not speak HTTP/2".to_owned());
            }
            if frame.length > LARGEST {
                return Err(format!("the server sent a frame of {} bytes; the limit is {LARGEST}", frame.length));
            }
            let payload = used + HEADER;
            let Some(payload) = bytes.get(payload..payload + frame.length) else { break };
            used += HEADER + frame.length;
            self.frame(frame, payload, now, done)?;
        }
        Ok(used)
    }

    fn frame(&mut self, frame: Frame, payload: &[u8], now: Instant, done: &mut impl Done) -> Result<(), String> {
        if self.unfinished.is_some_and(|(stream, _)| frame.kind != kind::CONTINUATION || frame.stream != stream) {
            return Err("the server sent a frame in the middle of headers".to_owned());
        }
        let word = |at: usize| payload.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
        let short = || format!("the server sent a frame of type {} that is too short", frame.kind);
        match frame.kind {
            kind::DATA => self.data(frame, payload, now, done)?,
            kind::HEADERS => {
                let mut block = unpadded(frame, payload)?;
                if frame.has(flag::PRIORITY) {
                    block = block.get(5..).ok_or_else(short)?;
                }
                if frame.has(flag::END_HEADERS) {
                    self.list(frame.stream, frame.flags, block, now, done)?;
                } else {
                    self.block.clear();
                    self.block.extend_from_slice(block);
                    self.unfinished = Some((frame.stream, frame.flags));
                }
            }
            kind::CONTINUATION => {
                let Some((stream, flags)) = self.unfinished else {
                    return Err("the server sent a CONTINUATION without headers".to_owned());
                };
                self.block.extend_from_slice(payload);
                if self.block.len() > 1 << 20 {
                    return Err("the server sent headers without end".to_owned());
                }
                if frame.has(flag::END_HEADERS) {
                    self.unfinished = None;
                    let block = std::mem::take(&mut self.block);
                    self.list(stream, flags, &block, now, done)?;
                    self.block = block;
                }
            }
            kind::RST_STREAM => {
                let code = word(0).ok_or_else(short)?;
                let call = self.streams.get(frame.stream).map(|stream| stream.call as usize);
                let fate = if call.and_then(|call| self.requests.list.get(call)).is_some_and(|request| request.grpc) {
                    Fate::Local(status_of_reset(code.into()), "the server reset the call")
                } else {
                    Fate::Broken(Broken::Protocol, format!("the server reset the call: {}", error_name(code)))
                };
                self.end(frame.stream, &fate, now, done);
            }
            kind::SETTINGS if frame.has(flag::ACK) => {}
            kind::SETTINGS => self.settings(payload)?,
            kind::PING if frame.has(flag::ACK) => {}
            kind::PING => {
                let same = payload.get(..8).ok_or_else(short)?;
                begin(&mut self.out, 8, kind::PING, flag::ACK, 0);
                self.out.extend_from_slice(same);
            }
            kind::GOAWAY => {
                let (last, code) = (word(0).ok_or_else(short)? & 0x7fff_ffff, word(4).ok_or_else(short)?);
                let words = String::from_utf8_lossy(payload.get(8..).unwrap_or_default()).into_owned();
                self.leaving =
                    Some(format!("the server ends the connection: {} {words}", error_name(code)).trim_end().to_owned());
                self.unbegun(last, done);
            }
            kind::WINDOW_UPDATE => {
                let more = i64::from(word(0).ok_or_else(short)? & 0x7fff_ffff);
                if frame.stream == 0 {
                    self.window += more;
                } else if let Some(stream) = self.streams.get(frame.stream) {
                    stream.window += more;
                }
                if !self.waiting.is_empty() {
                    self.go_on();
                }
            }
            kind::PUSH_PROMISE => return Err("the server pushes although push is disabled".to_owned()),
            // PRIORITY, and whatever else there will be.
            _ => {}
        }
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), String> {
        for entry in payload.chunks_exact(6) {
            let &[a, b, c, d, e, f] = entry else { continue };
            let value = u32::from_be_bytes([c, d, e, f]);
            match u16::from_be_bytes([a, b]) {
                setting::HEADER_TABLE_SIZE => {
                    (self.form, self.announce) = self.requests.form(self.form, value as usize);
                }
                setting::MAX_CONCURRENT_STREAMS => self.most = value as usize,
                setting::INITIAL_WINDOW_SIZE if value > WINDOW => {
                    return Err("the server's window is too large".to_owned());
                }
                setting::INITIAL_WINDOW_SIZE => {
                    let more = i64::from(value) - self.first_window;
                    self.first_window += more;
                    self.streams.all().for_each(|stream| stream.window += more);
                }
                setting::MAX_FRAME_SIZE => self.largest = (value as usize).clamp(LARGEST, (1 << 24) - 1),
                _ => {}
            }
        }
        self.up = true;
        begin(&mut self.out, 0, kind::SETTINGS, flag::ACK, 0);
        self.go_on();
        Ok(())
    }

    fn data(&mut self, frame: Frame, payload: &[u8], now: Instant, done: &mut impl Done) -> Result<(), String> {
        let data = unpadded(frame, payload)?;
        // All of a frame counts, its padding too.
        self.taken += u32::try_from(frame.length).unwrap_or(0);
        if self.taken >= REOPENED {
            number(&mut self.out, kind::WINDOW_UPDATE, 0, self.taken);
            self.taken = 0;
        }
        let Some(stream) = self.streams.get(frame.stream) else { return Ok(()) };
        stream.raw.body.extend_from_slice(data);
        let (call, length) = (stream.call, stream.raw.body.len());
        if length > LONGEST_BODY {
            self.give_up(
                frame.stream,
                &Fate::Broken(Broken::TooLong, format!("a reply of more than {LONGEST_BODY} bytes, the limit")),
                now,
                done,
            );
            return Ok(());
        }
        let cancel_after = self.requests.list.get(call as usize).map_or(0, |request| request.cancel_after);
        if cancel_after > 0
            && let Some(stream) = self.streams.get(frame.stream)
            && let Some(end) = end_of_message(&stream.raw.body, cancel_after)
        {
            stream.raw.body.truncate(end);
            self.give_up(frame.stream, &Fate::Local(CANCELLED, "cancelled by the client"), now, done);
        } else if frame.has(flag::END_STREAM) {
            self.end(frame.stream, &Fate::Whole, now, done);
        }
        Ok(())
    }

    /// A whole list of headers: those before a body, or the trailers.
    fn list(&mut self, id: u32, flags: u8, block: &[u8], now: Instant, done: &mut impl Done) -> Result<(), String> {
        let ends = flags & flag::END_STREAM != 0;
        // Also for a call that was given up: the decoder must see all lists.
        let mut nobodys = Vec::new();
        let decoded = match self.streams.get(id) {
            None => self.headers.decode(block, &mut nobodys),
            Some(Stream { raw, headed: true, .. }) => self.headers.decode(block, &mut raw.tail),
            Some(Stream { raw, .. }) => self.headers.decode(block, &mut raw.head),
        };
        match decoded {
            Ok(()) => {}
            Err(Bad::Malformed) => return Err("the server sent malformed headers".to_owned()),
            Err(bad) => {
                let words = match bad {
                    Bad::Name => "a header's name has capitals or characters that HTTP/2 does not allow",
                    _ => "headers of more than 16384 bytes, the limit",
                };
                self.give_up(id, &Fate::Broken(Broken::Protocol, words.to_owned()), now, done);
                return Ok(());
            }
        }
        let Some(stream) = self.streams.get(id) else { return Ok(()) };
        if stream.headed && !ends {
            let words = "headers stand in the middle of the reply: trailers must end it".to_owned();
            self.give_up(id, &Fate::Broken(Broken::Protocol, words), now, done);
            return Ok(());
        }
        if !stream.headed && !ends && (100..200).contains(&status(&stream.raw.head)) {
            stream.raw.head.clear();
            return Ok(());
        }
        stream.raw.only_headers = ends && !stream.headed;
        stream.headed = true;
        if ends {
            self.end(id, &Fate::Whole, now, done);
        }
        Ok(())
    }

    /// Calls on streams after `last` were never begun.
    fn unbegun(&mut self, last: u32, done: &mut impl Done) {
        let ids: Vec<u32> = self.streams.all().map(|stream| stream.id).filter(|id| *id > last).collect();
        for id in ids {
            if let Some(stream) = self.streams.remove(id) {
                done.again(&stream.flight);
            }
        }
    }
}

/// A payload without its padding.
fn unpadded(frame: Frame, payload: &[u8]) -> Result<&[u8], String> {
    if !frame.has(flag::PADDED) {
        return Ok(payload);
    }
    let inner = payload.split_first().and_then(|(pad, rest)| rest.get(..rest.len().checked_sub(usize::from(*pad))?));
    inner.ok_or_else(|| "the server sent a frame with more padding than bytes".to_owned())
}

/// Where the message with this number (from 1) ends, if it is whole.
fn end_of_message(body: &[u8], number: u64) -> Option<usize> {
    let mut at = 0;
    for _ in 0..number {
        let length = body.get(at + 1..at + 5)?.try_into().ok().map(u32::from_be_bytes)?;
        at += 5 + length as usize;
        body.get(..at)?;
    }
    Some(at)
}
