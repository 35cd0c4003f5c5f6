//! What judging says: verdicts, and reasons in words.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::text::shorten;

/// Characters of a text that a reason shows.
pub(crate) const SHOWN: usize = 300;

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// The reply is not the right one.
    WrongReply,
    /// The status is not the right one.
    Status,
    /// No reply in time.
    Deadline,
    /// The connection was lost.
    Lost,
    /// What came is not what the protocol has.
    Protocol,
}

/// Why a reply is not correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// How it went wrong.
    pub kind: CallKind,
    /// The status that came: gRPC's name or HTTP's number.
    pub status: Option<String>,
    /// What was expected, shortened.
    pub expected: Option<String>,
    /// What came, shortened.
    pub got: Option<String>,
    /// All of it as a sentence without its subject.
    pub words: String,
}

/// The result of a call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was called.
    pub name: String,
    /// From the request to the reply, nanoseconds.
    pub took_ns: u64,
    /// Why it is not right; nothing where it is.
    pub reason: Option<Reason>,
}

/// What became of all calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Warm-up calls that were made, in order.
    pub warmup: Vec<Verdict>,
    /// Measured calls that were made, in order.
    pub measured: Vec<Verdict>,
    /// The replies that snapshots stand for, by their names.
    pub seen: BTreeMap<String, Value>,
}

pub(crate) fn reason(kind: CallKind, words: impl Into<String>) -> Reason {
    Reason { kind, status: None, expected: None, got: None, words: words.into() }
}

pub(crate) fn wrong(expected: &(impl ToString + ?Sized), got: &impl ToString, words: impl Into<String>) -> Reason {
    Reason {
        expected: Some(shorten(&expected.to_string(), 2000)),
        got: Some(shorten(&got.to_string(), 2000)),
        ..reason(CallKind::WrongReply, words)
    }
}
