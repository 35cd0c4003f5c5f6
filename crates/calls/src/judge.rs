//! Replies held against what was declared.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use crate::answer::Answer;
use crate::declare::Call;
use crate::encode::{request_values, requests, varies};
use crate::error::Complaint;
use crate::expect::Expect;
use crate::looks::Looks;
use crate::rules::Compiled;
use crate::schema::{from_json, to_plain_json};
use crate::sheet::{Sheet, is_http};
use crate::template::{Template, has_placeholder};
use crate::verdict::{CallKind, Judged, Reason, Verdict, reason, wrong};
use crate::wire::{Broken, Made, Reply, ReplyList};

impl Sheet {
    /// Judges what came back. More replies than calls are not looked at.
    #[must_use]
    pub fn judge(&self, replies: &ReplyList) -> Judged {
        if !self.turns.is_empty() {
            return self.judge_turns(replies);
        }
        let mut judge = Judge::new(self);
        let warmup = judge.all(&self.warmup, &replies.warmup, &replies.replies);
        let measured = judge.all(&self.sequence, &replies.sequence, &replies.replies);
        Judged { warmup, measured, seen: judge.seen }
    }

    /// Judges replies, each at a place of the measured calls.
    pub(crate) fn judge_pairs(&self, pairs: impl Iterator<Item = (u32, u32)>, replies: &[Reply]) -> Vec<Verdict> {
        let mut judge = Judge::new(self);
        let mut one = |(place, reply): (u32, u32)| match self.sequence.get(place as usize) {
            Some(at) => judge.one(*at, u64::from(place), &Made { reply, took_ns: 0 }, replies),
            None => Verdict {
                name: String::new(),
                took_ns: 0,
                reason: Some(reason(
                    CallKind::Protocol,
                    format!("the client names call {place}, which does not exist"),
                )),
            },
        };
        pairs.map(&mut one).collect()
    }
}

/// What is the same in each invocation of a declared call.
#[derive(Debug, Clone, Copy)]
struct Steady {
    /// The expectation as it is written: it has no placeholder.
    expectation: bool,
    /// Whether a reply is right: the request is the same, too, and no expression sees the call's number.
    verdict: bool,
}

impl Steady {
    fn of(call: &Call) -> Self {
        let Some(expect) = &call.expect else { return Self { expectation: true, verdict: true } };
        let expectation = !serde_json::to_value(expect).is_ok_and(|value| has_placeholder(&value));
        let expressions = !expect.cel.is_empty() || expect.each.as_ref().is_some_and(|each| !each.cel.is_empty());
        Self { expectation, verdict: expectation && !expressions && !varies(call) }
    }
}

/// An expectation, compiled.
struct Expected {
    expect: Expect,
    compiled: Compiled,
}

struct Judge<'a> {
    sheet: &'a Sheet,
    /// For each declared call.
    steady: Vec<Steady>,
    seen: BTreeMap<String, Value>,
    /// Expectations that are always the same, by call.
    expected: BTreeMap<usize, Rc<Expected>>,
    /// Verdicts that are always the same, by call and reply.
    known: BTreeMap<(u32, u32), Option<Reason>>,
}

impl<'a> Judge<'a> {
    fn new(sheet: &'a Sheet) -> Self {
        let steady = sheet.declaration.calls.iter().map(Steady::of).collect();
        Self { sheet, steady, seen: BTreeMap::new(), expected: BTreeMap::new(), known: BTreeMap::new() }
    }

    fn all(&mut self, calls: &[u32], made: &[Made], replies: &[Reply]) -> Vec<Verdict> {
        let pairs = (0_u64..).zip(calls).zip(made);
        pairs.map(|((n, at), made)| self.one(*at, n, made, replies)).collect()
    }

    fn one(&mut self, at: u32, n: u64, made: &Made, replies: &[Reply]) -> Verdict {
        let call = &self.sheet.declaration.calls[at as usize];
        let name = self.sheet.declaration.name_of(call);
        let verdict = |reason| Verdict { name, took_ns: made.took_ns, reason };
        if let Some(known) = self.known.get(&(at, made.reply)) {
            return verdict(known.clone());
        }
        let Some(reply) = replies.get(made.reply as usize) else {
            return verdict(Some(reason(CallKind::Protocol, "the client's list lacks the reply")));
        };
        let judged = self.judge(at as usize, n, reply).err();
        if self.steady[at as usize].verdict {
            self.known.insert((at, made.reply), judged.clone());
        }
        verdict(judged)
    }

    /// The expectation of a call.
    fn expected(&mut self, at: usize, n: u64) -> Result<Rc<Expected>, Complaint> {
        if let Some(known) = self.expected.get(&at) {
            return Ok(Rc::clone(known));
        }
        let sheet = self.sheet;
        let expect = sheet.expectation(at, n)?;
        let call = &sheet.declaration.calls[at];
        let http = is_http(call, &sheet.declaration);
        let mut compiled = Compiled::new(&expect, http)?;
        if let Some(name) = call.call.as_ref().filter(|_| !http) {
            compiled = compiled.with_names_of(&sheet.schema.method(name)?.output());
        }
        let made = Rc::new(Expected { expect, compiled });
        if self.steady[at].expectation {
            self.expected.insert(at, Rc::clone(&made));
        }
        Ok(made)
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
        let expected = self.expected(at, n).map_err(broken)?;
        let Expected { expect, compiled } = &*expected;
        let method = match &call.call {
            Some(name) if !is_http(call, &sheet.declaration) => Some(sheet.schema.method(name).map_err(broken)?),
            _ => None,
        };
        let answer = match &method {
            Some(method) => Answer::grpc(reply, method)?,
            None => Answer::http(reply),
        };
        answer.right_status(compiled)?;
        answer.right_headers(compiled)?;
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
            None if compiled.sees_request() => http_request(sheet, call, &mut template).map_err(broken)?,
            None => Value::Null,
        };
        let looks = Looks { answer: &answer, expect, compiled, method: method.as_ref(), request: &request, n };
        looks.messages()?;
        if let Some(name) = &expect.snapshot {
            self.snapshot(name, &looks)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, name: &str, looks: &Looks<'_>) -> Result<(), Reason> {
        let whole = match looks.bytes() {
            Some(bytes) => bytes,
            None => looks.whole()?,
        };
        let first = self.seen.entry(name.to_owned()).or_insert_with(|| whole.clone()).clone();
        let kept = if self.sheet.accept { Some(&first) } else { self.sheet.snapshots.get(name) };
        let Some(kept) = kept else {
            return Err(wrong(
                "nothing is saved",
                &whole,
                format!("there is no snapshot {name} yet: --accept saves this reply"),
            ));
        };
        let differences = looks.compiled.rules.differences(kept, &whole);
        if differences.is_empty() {
            return Ok(());
        }
        Err(wrong(kept, &whole, format!("the reply differs from the snapshot {name}: {}", differences.join("; "))))
    }
}

/// An HTTP call's body as its server receives it: JSON where it is JSON, else its text.
fn http_request(sheet: &Sheet, call: &Call, template: &mut Template) -> Result<Value, Complaint> {
    let sent = crate::http::encode(call, sheet.declaration.preset, &sheet.folder, template)?;
    if sent.body.is_empty() {
        return Ok(Value::Null);
    }
    let text = || Value::String(String::from_utf8_lossy(&sent.body).into_owned());
    Ok(if call.body.is_some() { text() } else { serde_json::from_slice(&sent.body).unwrap_or_else(|_| text()) })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "judge_edge_tests.rs"]
mod edge_tests;
