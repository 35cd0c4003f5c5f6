//! Replies as they are kept: equal ones once.

use std::time::Duration;

use calls::wire::{Broken, Header, Made, Reply, ReplyList};
use http::HeaderMap;

/// Of so many last replies a new one is told apart; more would cost a simulator time.
const LOOKED_AT: usize = 8;
/// Bytes of replies that are kept in all: the host reads no larger file as a witness.
const KEPT: usize = 60 << 20;

/// Collects replies.
#[derive(Debug, Default)]
pub struct Replies {
    list: ReplyList,
    kept: usize,
}

impl Replies {
    /// Connecting took so long.
    pub fn connected(&mut self, took: Duration) {
        self.list.connect_ns = nanos(took);
    }

    /// Connecting failed: nothing was called.
    pub fn not_connected(&mut self, why: &str) {
        self.list.not_connected = why.to_owned();
    }

    /// Keeps a reply of a call before the measured ones, or of a measured one.
    pub fn add(&mut self, measured: bool, reply: Reply, took: Duration) {
        let from = self.list.replies.len().saturating_sub(LOOKED_AT);
        let known = self.list.replies[from..].iter().rposition(|known| *known == reply);
        let at = match known {
            Some(at) => from + at,
            None => {
                let reply = self.cut(reply);
                self.list.replies.push(reply);
                self.list.replies.len() - 1
            }
        };
        let made = Made { reply: u32::try_from(at).unwrap_or(u32::MAX), took_ns: nanos(took) };
        if measured { self.list.sequence.push(made) } else { self.list.warmup.push(made) }
    }

    /// The reply, unless there is no room left for it.
    fn cut(&mut self, reply: Reply) -> Reply {
        self.kept += reply.messages.iter().map(Vec::len).sum::<usize>();
        if self.kept <= KEPT {
            return reply;
        }
        broken(Broken::TooLong, format!("the replies of all calls are larger than {} MiB in total", KEPT >> 20))
    }

    /// All of them.
    pub fn list(&self) -> &ReplyList {
        &self.list
    }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// A call without a whole reply.
pub fn broken(how: Broken, words: impl Into<String>) -> Reply {
    Reply { broken: how.into(), words: words.into(), ..Reply::default() }
}

/// Headers as they are kept. `date` is left out unless it is wanted: it would make equal replies differ.
pub fn headers(map: &HeaderMap, with_date: bool) -> Vec<Header> {
    let kept = map.iter().filter(|(name, _)| with_date || *name != http::header::DATE);
    kept.map(|(name, value)| Header { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_replies_are_kept_once() {
        let mut replies = Replies::default();
        let reply = |text: &str| Reply { messages: vec![text.into()], ..Reply::default() };
        for text in ["a", "b", "a", "c"] {
            replies.add(true, reply(text), Duration::from_nanos(7));
        }
        replies.add(false, reply("b"), Duration::ZERO);
        let list = replies.list();
        assert_eq!(list.sequence.iter().map(|made| made.reply).collect::<Vec<_>>(), [0, 1, 0, 2]);
        assert_eq!((list.warmup[0].reply, list.sequence[0].took_ns, list.replies.len()), (1, 7, 3));
    }

    #[test]
    fn too_much_is_said() {
        let mut replies = Replies { kept: KEPT, ..Replies::default() };
        replies.add(true, Reply { messages: vec![vec![0]], ..Reply::default() }, Duration::ZERO);
        assert_eq!(replies.list().replies[0].broken(), Broken::TooLong);
    }
}
