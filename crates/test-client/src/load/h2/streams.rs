//! The streams of a connection that are open: a slot for each, reused, and a way from a stream's number to its slot.

use std::collections::VecDeque;

use crate::load::flight::{Flight, Raw};

/// A call on its stream.
#[derive(Debug)]
pub struct Stream {
    /// Its number.
    pub id: u32,
    /// Which request.
    pub call: u32,
    /// The call.
    pub flight: Flight,
    /// What came so far.
    pub raw: Raw,
    /// Whether its headers came: what comes next are trailers.
    pub headed: bool,
    /// Bytes of the request's body that were sent.
    pub sent: usize,
    /// Bytes that may be sent on it.
    pub window: i64,
}

/// No slot.
const NONE: u32 = u32::MAX;

/// The open streams.
#[derive(Debug, Default)]
pub struct Streams {
    slots: Vec<Option<Stream>>,
    free: Vec<u32>,
    /// Slots of the streams from `first` on; a client's streams have odd numbers.
    by_id: VecDeque<u32>,
    first: u32,
    open: usize,
    /// Memory of calls that have ended, for the next ones.
    spare: Vec<Raw>,
}

impl Streams {
    /// How many are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Opens a stream. Numbers rise by two.
    pub fn add(&mut self, id: u32, call: u32, flight: Flight, window: i64) {
        if self.by_id.is_empty() {
            self.first = id;
        }
        let raw = self.spare.pop().unwrap_or_default();
        let stream = Stream { id, call, flight, raw, headed: false, sent: 0, window };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(stream);
                slot
            }
            None => {
                self.slots.push(Some(stream));
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        self.by_id.push_back(slot);
        self.open += 1;
    }

    fn place(&self, id: u32) -> Option<usize> {
        Some((id.checked_sub(self.first)? / 2) as usize).filter(|_| id % 2 == 1)
    }

    /// An open stream.
    pub fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let slot = *self.by_id.get(self.place(id)?)?;
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Closes a stream; what it was.
    pub fn remove(&mut self, id: u32) -> Option<Stream> {
        let place = self.place(id)?;
        let slot = std::mem::replace(self.by_id.get_mut(place)?, NONE);
        let stream = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.open -= 1;
        while self.by_id.front() == Some(&NONE) {
            self.by_id.pop_front();
            self.first += 2;
        }
        Some(stream)
    }

    /// Gives back the memory of a call that has ended.
    pub fn recycle(&mut self, mut raw: Raw) {
        // A large reply's memory is not kept for small ones.
        if raw.body.capacity() <= 1 << 20 {
            raw.clear();
            self.spare.push(raw);
        }
    }

    /// All open ones.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn streams_are_found_by_their_numbers_in_any_order() {
        let now = Instant::now();
        let flight = Flight { place: 0, since: now, expires: now, own_deadline: false, measured: true };
        let mut streams = Streams::default();
        for n in 0..1000_u32 {
            streams.add(2 * n + 1, n, flight, 0);
            // The first stays open, others end in another order.
            if n > 8 {
                let gone = 2 * (n - (n % 3) * 2) + 1;
                if let Some(stream) = streams.remove(gone) {
                    assert_eq!(stream.call, (gone - 1) / 2);
                    streams.recycle(stream.raw);
                }
            }
        }
        assert_eq!(streams.get(1).unwrap().call, 0);
        assert!(streams.get(0).is_none() && streams.get(2).is_none() && streams.get(9999).is_none());
        let open: Vec<u32> = streams.all().map(|stream| stream.id).collect();
        assert_eq!(open.len(), streams.open());
        for id in open {
            assert_eq!(streams.remove(id).unwrap().id, id);
        }
        assert!(streams.remove(1).is_none() && streams.by_id.is_empty() && streams.open() == 0);
    }
}
