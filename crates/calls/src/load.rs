//! What a load brings back: each distinct reply once, and how often it came. The client keeps them, the host judges them; so every
//! reply is judged, and what is expected stays on the host.

use prost::Message;

use crate::sheet::Sheet;
use crate::verdict::Verdict;
use crate::wire::Reply;

/// How often a reply came at a place of the sequence of calls.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Counted {
    /// The call: its place in the sequence, from 0.
    #[prost(uint32, tag = "1")]
    pub place: u32,
    /// Which reply.
    #[prost(uint32, tag = "2")]
    pub reply: u32,
    /// How many measured calls it answered.
    #[prost(uint64, tag = "3")]
    pub measured: u64,
    /// And how many of those before.
    #[prost(uint64, tag = "4")]
    pub warmup: u64,
}

/// What a load brought back.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LoadReplies {
    /// Replies that differ from one another.
    #[prost(message, repeated, tag = "1")]
    pub replies: Vec<Reply>,
    /// How often each came, in the order in which they came first.
    #[prost(message, repeated, tag = "2")]
    pub counted: Vec<Counted>,
    /// Replies that could not be kept because too many differed: they cannot be judged.
    #[prost(message, repeated, tag = "3")]
    pub beyond: Vec<Counted>,
    /// Why there was no connection.
    #[prost(string, tag = "4")]
    pub not_connected: String,
    /// All that needs no judge: `futon.load/1`, JSON.
    #[prost(string, tag = "5")]
    pub report: String,
}

impl LoadReplies {
    /// The bytes of it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// From bytes.
    ///
    /// # Errors
    /// They are none, or a number in it leads nowhere.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let list = Self::decode(bytes).map_err(|e| e.to_string())?;
        let known = list.replies.len();
        match list.counted.iter().find(|counted| counted.reply as usize >= known) {
            Some(counted) => Err(format!("reply {} of {known} is missing", counted.reply)),
            None => Ok(list),
        }
    }
}

impl Sheet {
    /// Judges each reply that a load brought back, at the place at which it came; in the order of `counted`.
    #[must_use]
    pub fn judge_load(&self, load: &LoadReplies) -> Vec<Verdict> {
        let pairs = load.counted.iter().map(|counted| (counted.place, counted.reply));
        self.judge_pairs(pairs, &load.replies)
    }

    /// What the call at a place of the sequence is for people.
    #[must_use]
    pub fn name_at(&self, place: u32) -> String {
        let call = self.sequence.get(place as usize).and_then(|at| self.declaration.calls.get(*at as usize));
        call.map(|call| self.declaration.name_of(call)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Declaration, Options, Source};

    fn reply(body: &str) -> Reply {
        Reply { status: 200, messages: vec![body.into()], ..Reply::default() }
    }

    #[test]
    fn each_reply_is_judged_at_its_place() {
        let text = "calls: [{http: GET /, times: 2, expect: {text: 'a{{n}}'}}]";
        let declaration = Declaration::parse(text, &Source::default()).unwrap();
        let sheet = Sheet::resolve(declaration, Path::new("."), &Options::default()).unwrap();
        let counted = |place, reply| Counted { place, reply, measured: 5, warmup: 0 };
        let load = LoadReplies {
            replies: vec![reply("a0"), reply("a1")],
            counted: vec![counted(0, 0), counted(1, 1), counted(1, 0), counted(2, 0)],
            ..LoadReplies::default()
        };
        let load = LoadReplies::from_bytes(&load.to_bytes()).unwrap();
        let right: Vec<bool> = sheet.judge_load(&load).iter().map(|v| v.reason.is_none()).collect();
        assert_eq!(right, [true, true, false, false], "a place that is not there is no pass");
        let bad = LoadReplies { counted: vec![counted(0, 2)], ..load };
        assert!(LoadReplies::from_bytes(&bad.to_bytes()).unwrap_err().contains("reply 2 of 2"));
        assert_eq!((sheet.name_at(1).as_str(), sheet.name_at(7).as_str()), ("GET /", ""));
    }
}
