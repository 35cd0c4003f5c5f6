//! The replies of a load: each distinct one is kept once and counted, at each place of the sequence of calls. So that whoever judges sees
//! all of them, and a reply that is not kept is said to be so.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use calls::wire::{Broken, Header, Reply, is_grpc};
use calls::{Counted, LoadReplies};

use super::flight::{Done, Fate, Flight, Raw, STATUS, headers, status};
use super::meter::Meter;
use crate::declared::{broken, cut_messages};

/// Replies that differ from one another, kept for one place.
const KEPT_AT_A_PLACE: usize = 16;
/// Bytes of replies that are kept in all: the host reads no larger file as a witness.
const KEPT_BYTES: usize = 48 << 20;

/// A reply at a place.
#[derive(Debug, Clone, Copy)]
struct Pair {
    reply: u32,
    measured: u64,
    warmup: u64,
}

/// Takes the ends of all calls.
#[derive(Debug)]
pub struct Recorder {
    kept: Vec<(Raw, Fate)>,
    known: HashMap<(Raw, Fate), u32>,
    places: Vec<Vec<Pair>>,
    /// Places in the order in which they got a new reply.
    order: Vec<(usize, usize)>,
    bytes: usize,
    beyond: BTreeMap<u32, (u64, u64)>,
    /// Whether a place's call is gRPC.
    grpc: Vec<bool>,
    /// Calls to be sent again.
    pub again: Vec<Flight>,
    /// Replies that came, of any kind.
    pub answered: u64,
    /// Times.
    pub meter: Meter,
}

impl Recorder {
    /// For a sequence of calls, each gRPC or not.
    pub fn new(grpc: Vec<bool>, meter: Meter) -> Self {
        Self {
            kept: Vec::new(),
            known: HashMap::new(),
            places: vec![Vec::new(); grpc.len()],
            order: Vec::new(),
            bytes: 0,
            beyond: BTreeMap::new(),
            grpc,
            again: Vec::new(),
            answered: 0,
            meter,
        }
    }

    /// A reply that this place has not had.
    fn new_reply(&mut self, place: usize, raw: &Raw, fate: &Fate) -> Option<usize> {
        let pairs = self.places.get_mut(place)?;
        if pairs.len() >= KEPT_AT_A_PLACE {
            return None;
        }
        let key = (raw.clone(), fate.clone());
        let reply = match self.known.get(&key) {
            Some(reply) => *reply,
            None => {
                let bytes = raw.head.len() + raw.body.len() + raw.tail.len();
                if self.bytes + bytes > KEPT_BYTES {
                    return None;
                }
                self.bytes += bytes;
                let reply = u32::try_from(self.kept.len()).ok()?;
                self.kept.push((raw.clone(), fate.clone()));
                self.known.insert(key, reply);
                reply
            }
        };
        pairs.push(Pair { reply, measured: 0, warmup: 0 });
        self.order.push((place, pairs.len() - 1));
        Some(pairs.len() - 1)
    }

    /// All of it, for a judge.
    pub fn replies(&self) -> LoadReplies {
        let mut grpc = vec![true; self.kept.len()];
        for (place, at) in &self.order {
            if let Some(pair) = self.places.get(*place).and_then(|pairs| pairs.get(*at)) {
                grpc[pair.reply as usize] = self.grpc[*place];
            }
        }
        let counted = self.order.iter().filter_map(|(place, at)| {
            let pair = self.places.get(*place)?.get(*at)?;
            Some(Counted {
                place: u32::try_from(*place).ok()?,
                reply: pair.reply,
                measured: pair.measured,
                warmup: pair.warmup,
            })
        });
        let beyond = self.beyond.iter().map(|(place, (measured, warmup))| Counted {
            place: *place,
            reply: 0,
            measured: *measured,
            warmup: *warmup,
        });
        LoadReplies {
            replies: self.kept.iter().zip(grpc).map(|((raw, fate), grpc)| reply(raw, fate, grpc)).collect(),
            counted: counted.collect(),
            beyond: beyond.collect(),
            ..LoadReplies::default()
        }
    }
}

impl Done for Recorder {
    fn done(&mut self, flight: &Flight, raw: &Raw, fate: &Fate, now: Instant) {
        let whole = !matches!(fate, Fate::Broken(..));
        self.answered += u64::from(whole);
        if flight.measured {
            self.meter.ended(flight.since, now, whole);
        }
        let place = flight.place as usize;
        let pairs = self.places.get(place).map_or(&[][..], Vec::as_slice);
        let same =
            |pair: &Pair| self.kept.get(pair.reply as usize).is_some_and(|(known, how)| known == raw && how == fate);
        let at = pairs.iter().position(same).or_else(|| self.new_reply(place, raw, fate));
        match at.and_then(|at| self.places.get_mut(place)?.get_mut(at)) {
            Some(pair) if flight.measured => pair.measured += 1,
            Some(pair) => pair.warmup += 1,
            None => {
                let (measured, warmup) = self.beyond.entry(flight.place).or_default();
                if flight.measured { *measured += 1 } else { *warmup += 1 }
            }
        }
    }

    fn again(&mut self, flight: &Flight) {
        self.again.push(*flight);
    }
}

/// A reply as a judge has it.
fn reply(raw: &Raw, fate: &Fate, grpc: bool) -> Reply {
    let list = |bytes: &[u8]| -> Vec<Header> {
        headers(bytes)
            .filter(|(name, _)| *name != STATUS)
            .map(|(name, value)| Header { name: String::from_utf8_lossy(name).into_owned(), value: value.to_vec() })
            .collect()
    };
    let mut reply = Reply {
        status: status(&raw.head),
        headers: list(&raw.head),
        trailers: list(&raw.tail),
        only_headers: grpc && raw.only_headers,
        ..Reply::default()
    };
    match fate {
        Fate::Broken(how, words) => return broken(*how, words.clone()),
        Fate::Local(status, words) => (reply.local_status, reply.words) = (status + 1, (*words).to_owned()),
        Fate::Whole => {}
    }
    let speaks_grpc = headers(&raw.head).any(|(name, value)| name == b"content-type" && is_grpc(value));
    if !grpc {
        let promised = headers(&raw.head).find(|(name, _)| *name == b"content-length");
        let promised = promised.and_then(|(_, value)| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok());
        // A reply to HEAD promises what it does not have.
        if let Some(promised) = promised.filter(|length| *length != raw.body.len() && !raw.body.is_empty()) {
            let words = format!("a body of {} bytes with content-length {promised}", raw.body.len());
            return broken(Broken::Protocol, words);
        }
        reply.messages = vec![raw.body.clone()];
    } else if speaks_grpc {
        let (messages, wrong) = cut_messages(&raw.body);
        reply.messages = messages;
        if let Some((how, words)) = wrong.filter(|_| reply.local_status == 0) {
            (reply.broken, reply.words) = (how.into(), words);
        }
    } else if reply.words.is_empty() {
        reply.words = String::from_utf8_lossy(&raw.body).chars().take(500).collect();
    }
    reply
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
