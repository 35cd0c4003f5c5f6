//! A call that is under way, and what came of it as raw bytes.

use std::time::Instant;

use calls::wire::Broken;

/// A call that is under way.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    /// Its place in the sequence of calls.
    pub place: u32,
    /// When it was sent; of an open loop, when it was to be sent.
    pub since: Instant,
    /// When the client gives it up.
    pub expires: Instant,
    /// Whether `expires` is gRPC's own deadline, which the call declares.
    pub own_deadline: bool,
    /// Whether it counts.
    pub measured: bool,
}

/// What came, as bytes; reused from call to call.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Raw {
    /// Status and headers, in the form of [`push_header`].
    pub head: Vec<u8>,
    /// Body.
    pub body: Vec<u8>,
    /// Trailers, in the same form.
    pub tail: Vec<u8>,
    /// The headers ended it.
    pub only_headers: bool,
}

impl Raw {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.head.clear();
        self.body.clear();
        self.tail.clear();
        self.only_headers = false;
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fate {
    /// With a whole reply.
    Whole,
    /// With a gRPC status that the client itself made: its number, and words.
    Local(u32, &'static str),
    /// Without a whole reply.
    Broken(Broken, String),
}

/// Takes calls that have ended.
pub trait Done {
    /// A call has ended.
    fn done(&mut self, flight: &Flight, raw: &Raw, fate: &Fate, now: Instant);
    /// A call that the server has not begun, and never will: it may be sent again.
    fn again(&mut self, flight: &Flight);
}

/// Name of HTTP's status among the headers.
pub const STATUS: &[u8] = b":status";

/// Adds a header: lengths, then bytes. `date` is left out: it would make equal replies differ.
pub fn push_header(to: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if name.eq_ignore_ascii_case(b"date") {
        return;
    }
    for part in [name, value] {
        to.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        to.extend_from_slice(part);
    }
}

/// The headers of a list that [`push_header`] made.
pub fn headers(list: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = list;
    let mut part = move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after;
        Some(part)
    };
    std::iter::from_fn(move || Some((part()?, part()?)))
}

/// The status of a list of headers; 0 where there is none.
pub fn status(list: &[u8]) -> u32 {
    let value = headers(list).find(|(name, _)| *name == STATUS).map(|(_, value)| value);
    value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_the_date_does_not() {
        let mut list = Vec::new();
        push_header(&mut list, STATUS, b"200");
        push_header(&mut list, b"Date", b"now");
        push_header(&mut list, b"x", b"");
        assert_eq!(headers(&list).collect::<Vec<_>>(), [(STATUS, &b"200"[..]), (b"x", b"")]);
        assert_eq!((status(&list), status(b""), headers(b"\0\0\0\x09x").count()), (200, 0, 0));
    }
}
