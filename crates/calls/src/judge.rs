//! Replies held against what was declared.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::answer::Answer;
use crate::encode::{request_values, requests, varies};
use crate::error::Complaint;
use crate::expect::Expect;
use crate::looks::Looks;
use crate::rules::Compiled;
use crate::schema::{from_json, to_plain_json};
use crate::sheet::{Sheet, is_http};
use crate::template::has_placeholder;
use crate::text::shorten;
use crate::wire::{Broken, Made, Reply, ReplyList};

/// Characters of a text that a reason shows.
pub(crate) const SHOWN: usize = 300;

/// How a call went wrong.
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

/// Why a call is not right.
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

/// What became of a call that was made.
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

impl Sheet {
    /// Judges what came back. More replies than calls are not looked at.
    #[must_use]
    pub fn judge(&self, replies: &ReplyList) -> Judged {
        let mut judge = Judge { sheet: self, seen: BTreeMap::new(), known: BTreeMap::new() };
        let warmup = judge.all(&self.warmup, &replies.warmup, replies);
        let measured = judge.all(&self.sequence, &replies.sequence, replies);
        Judged { warmup, measured, seen: judge.seen }
    }
}

/// Whether an expectation may mean something else for each call: by a placeholder, or by the `n` of an expression.
fn differs_with_n(expect: &Expect) -> bool {
    let expressions = !expect.cel.is_empty() || expect.each.as_ref().is_some_and(|each| !each.cel.is_empty());
    expressions || serde_json::to_value(expect).is_ok_and(|value| has_placeholder(&value))
}

struct Judge<'a> {
    sheet: &'a Sheet,
    seen: BTreeMap<String, Value>,
    /// Calls that always send the same and expect the same: by call and reply.
    known: BTreeMap<(u32, u32), Option<Reason>>,
}

impl Judge<'_> {
    fn all(&mut self, calls: &[u32], made: &[Made], replies: &ReplyList) -> Vec<Verdict> {
        let pairs = (0_u64..).zip(calls).zip(made);
        pairs.map(|((n, at), made)| self.one(*at, n, made, replies)).collect()
    }

    fn one(&mut self, at: u32, n: u64, made: &Made, replies: &ReplyList) -> Verdict {
        let call = &self.sheet.declaration.calls[at as usize];
        let default = crate::http::default_request(self.sheet.declaration.preset).unwrap_or_default();
        let name = call.call.clone().or_else(|| call.http.clone()).unwrap_or_else(|| default.to_owned());
        let verdict = |reason| Verdict { name, took_ns: made.took_ns, reason };
        if let Some(known) = self.known.get(&(at, made.reply)) {
            return verdict(known.clone());
        }
        let Some(reply) = replies.replies.get(made.reply as usize) else {
            return verdict(Some(reason(CallKind::Protocol, "the client's list lacks the reply")));
        };
        let judged = self.judge(at as usize, n, reply).err();
        if !varies(call) && !call.expect.as_ref().is_some_and(differs_with_n) {
            self.known.insert((at, made.reply), judged.clone());
        }
        verdict(judged)
    }

    fn judge(&mut self, at: usize, n: u64, reply: &Reply) -> Result<(), Reason> {
        let sheet = self.sheet;
        let call = &sheet.declaration.calls[at];
        let broken =
            |complaint: Complaint| reason(CallKind::Protocol, format!("`{}`: {}", complaint.path, complaint.why));
        match reply.broken() {
            Broken::Whole => {}
            Broken::Deadline => return Err(reason(CallKind::Deadline, &reply.words)),
            Broken::Lost => {
                return Err(Reason { status: Some("UNAVAILABLE".into()), ..reason(CallKind::Lost, &reply.words) });
            }
            Broken::Protocol | Broken::TooLong => return Err(reason(CallKind::Protocol, &reply.words)),
        }
        let http = is_http(call, &sheet.declaration);
        let expect = sheet.expectation(at, n).map_err(broken)?;
        let compiled = Compiled::new(&expect, http).map_err(broken)?;
        let method = match &call.call {
            Some(name) if !http => Some(sheet.schema.method(name).map_err(broken)?),
            _ => None,
        };
        let answer = match &method {
            Some(method) => Answer::grpc(reply, method)?,
            None => Answer::http(reply),
        };
        answer.right_status(&compiled)?;
        answer.right_headers(&compiled)?;
        let mut template = request_values(n, sheet.seed);
        let request = match &method {
            Some(method) => {
                // Metadata draws first.
                crate::http::headers("metadata", call.metadata.iter(), &mut template).map_err(broken)?;
                let sent = requests(call, method, &mut template).map_err(broken)?;
                let plain = |one: &Value| {
                    to_plain_json(&from_json(&method.input(), one).map_err(broken)?)
                        .map_err(|why| reason(CallKind::Protocol, why))
                };
                let mut list = sent.iter().map(plain).collect::<Result<Vec<_>, _>>()?;
                if method.is_client_streaming() { Value::Array(list) } else { list.pop().unwrap_or_default() }
            }
            None => call.json.clone().or_else(|| call.body.clone().map(Value::String)).unwrap_or_default(),
        };
        let looks = Looks {
            answer: &answer,
            expect: &expect,
            compiled: &compiled,
            method: method.as_ref(),
            request: &request,
            n,
        };
        looks.messages()?;
        if let Some(name) = &expect.snapshot {
            self.snapshot(name, &looks)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, name: &str, looks: &Looks<'_>) -> Result<(), Reason> {
        let whole = looks.whole()?;
        let first = self.seen.entry(name.to_owned()).or_insert_with(|| whole.clone()).clone();
        let kept = if self.sheet.accept { Some(&first) } else { self.sheet.snapshots.get(name) };
        let Some(kept) = kept else {
            return Err(wrong(
                "nothing is kept",
                &whole,
                format!("there is no snapshot {name} yet: --accept keeps this reply"),
            ));
        };
        let differences = looks.compiled.rules.differences(kept, &whole);
        if differences.is_empty() {
            return Ok(());
        }
        Err(wrong(kept, &whole, format!("the reply is not the snapshot {name}: {}", differences.join("; "))))
    }
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

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
