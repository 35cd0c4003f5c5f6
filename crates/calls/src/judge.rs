//! Replies held against what was declared.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use crate::compare::Rules;
use crate::declare::Call;
use crate::encode::{request_values, requests, varies};
use crate::error::Complaint;
use crate::expect::Expect;
use crate::oracle;
use crate::rules::{Compiled, Scope, Wanted};
use crate::schema::{Schema, from_json, to_json, to_plain_json, with_json_names};
use crate::sheet::{Sheet, is_http};
use crate::status::Code;
use crate::template::has_placeholder;
use crate::text::shorten;
use crate::wire::{Broken, Header, Made, Reply, ReplyList};

/// Characters of a text that a reason shows.
const SHOWN: usize = 300;

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
        let broken = |complaint: Complaint| reason(CallKind::Protocol, format!("`{}`: {}", complaint.path, complaint.why));
        match reply.broken() {
            Broken::Whole => {}
            Broken::Deadline => return Err(reason(CallKind::Deadline, &reply.words)),
            Broken::Lost => return Err(Reason { status: Some("UNAVAILABLE".into()), ..reason(CallKind::Lost, &reply.words) }),
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
                let plain = |one: &Value| to_plain_json(&from_json(&method.input(), one).map_err(broken)?).map_err(|why| reason(CallKind::Protocol, why));
                let mut list = sent.iter().map(plain).collect::<Result<Vec<_>, _>>()?;
                if method.is_client_streaming() { Value::Array(list) } else { list.pop().unwrap_or_default() }
            }
            None => call.json.clone().or_else(|| call.body.clone().map(Value::String)).unwrap_or_default(),
        };
        let looks = Looks { answer: &answer, expect: &expect, compiled: &compiled, method: method.as_ref(), request: &request, n };
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
            return Err(wrong("nothing is kept", &whole, format!("there is no snapshot {name} yet: --accept keeps this reply")));
        };
        let differences = looks.compiled.rules.differences(kept, &whole);
        if differences.is_empty() {
            return Ok(());
        }
        Err(wrong(kept, &whole, format!("the reply is not the snapshot {name}: {}", differences.join("; "))))
    }
}

/// A reply, decoded.
struct Answer {
    status: u32,
    grpc: bool,
    message: String,
    headers: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
    messages: Vec<DynamicMessage>,
    body: Vec<u8>,
}

impl Answer {
    fn grpc(reply: &Reply, method: &MethodDescriptor) -> Result<Self, Reason> {
        let headers = texts(&reply.headers);
        let find = |name: &str| {
            let trailer = reply.trailers.iter().chain(&reply.headers).find(|h| h.name == name);
            trailer.map(|h| String::from_utf8_lossy(&h.value).into_owned())
        };
        let kind = find("content-type").unwrap_or_default();
        let (status, message) = if let Some(local) = reply.local_status.checked_sub(1) {
            (local, reply.words.clone())
        } else if reply.status != 200 {
            // grpc/grpc, doc/http-grpc-status-mapping.md.
            let code = match reply.status {
                400 => 13,
                401 => 16,
                403 => 7,
                404 => 12,
                429 | 502 | 503 | 504 => 14,
                _ => 2,
            };
            (code, format!("HTTP status {}, content type {kind:?}", reply.status))
        } else if !kind.starts_with("application/grpc") {
            return Err(reason(CallKind::Protocol, format!("what answers is no gRPC: HTTP status 200 with content type {kind:?}")));
        } else {
            match find("grpc-status").map(|text| (text.parse::<u32>(), text)) {
                Some((Ok(code), _)) => (code, percent_decoded(&find("grpc-message").unwrap_or_default())),
                Some((Err(_), text)) => {
                    return Err(reason(CallKind::Protocol, format!("grpc-status is {text:?}, no number")));
                }
                None => return Err(reason(CallKind::Protocol, "the reply ended without a status (no grpc-status)")),
            }
        };
        let mut messages = Vec::new();
        for (at, bytes) in reply.messages.iter().enumerate() {
            let decoded = DynamicMessage::decode(method.output(), bytes.as_slice()).map_err(|error| {
                let words = format!("message {} is no {}: {error}", at + 1, method.output().full_name());
                Reason { got: Some(shorten(&format!("{bytes:02x?}"), SHOWN)), ..reason(CallKind::WrongReply, words) }
            })?;
            messages.push(decoded);
        }
        if status == 0 && !method.is_server_streaming() && messages.len() != 1 {
            let words = format!("status OK with {} messages, where one is due", messages.len());
            return Err(reason(CallKind::Protocol, words));
        }
        Ok(Self { status, grpc: true, message, headers, trailers: texts(&reply.trailers), messages, body: Vec::new() })
    }

    fn http(reply: &Reply) -> Self {
        Self {
            status: reply.status,
            grpc: false,
            message: String::new(),
            headers: texts(&reply.headers),
            trailers: texts(&reply.trailers),
            messages: Vec::new(),
            body: reply.messages.concat(),
        }
    }

    fn status_name(&self) -> String {
        if self.grpc { Code(self.status).name() } else { self.status.to_string() }
    }

    fn right_status(&self, compiled: &Compiled) -> Result<(), Reason> {
        let default = if self.grpc { [Wanted::Grpc(0)] } else { [Wanted::Class(2)] };
        let wanted = if compiled.statuses.is_empty() { &default[..] } else { &compiled.statuses };
        let fits = wanted.iter().any(|wanted| match wanted {
            Wanted::Grpc(code) | Wanted::Http(code) => self.status == *code,
            Wanted::Class(class) => self.status / 100 == *class,
        });
        let names: Vec<String> = wanted
            .iter()
            .map(|wanted| match wanted {
                Wanted::Grpc(code) => Code(*code).name(),
                Wanted::Http(code) => code.to_string(),
                Wanted::Class(class) => format!("{class}xx"),
            })
            .collect();
        let said = match (self.grpc, self.message.is_empty(), self.body.is_empty()) {
            (true, false, _) => format!(": {}", shorten(&self.message, SHOWN)),
            (false, _, false) => format!(": {}", shorten(&String::from_utf8_lossy(&self.body), SHOWN)),
            _ => String::new(),
        };
        let status = if self.grpc { "status" } else { "HTTP status" };
        if !fits {
            return Err(Reason {
                kind: CallKind::Status,
                status: Some(self.status_name()),
                expected: Some(names.join(" or ")),
                got: Some(format!("{}{said}", self.status_name())),
                words: format!("expected {status} {}, got {}{said}", names.join(" or "), self.status_name()),
            });
        }
        if let Some(message) = compiled.message.as_ref().filter(|matcher| !matcher.accepts(&self.message)) {
            return Err(Reason {
                kind: CallKind::Status,
                status: Some(self.status_name()),
                expected: Some(message.shown()),
                got: Some(shorten(&self.message, SHOWN)),
                words: format!("expected the message {}, got {:?}", message.shown(), shorten(&self.message, SHOWN)),
            });
        }
        Ok(())
    }

    fn right_headers(&self, compiled: &Compiled) -> Result<(), Reason> {
        for (what, wanted, there) in [("header", &compiled.headers, &self.headers), ("trailer", &compiled.trailers, &self.trailers)] {
            for (name, matcher) in wanted {
                let values: Vec<&str> = there.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
                if values.iter().any(|value| matcher.accepts(value)) {
                    continue;
                }
                let got = if values.is_empty() { "it is not there".to_owned() } else { format!("got {:?}", values.join(", ")) };
                return Err(Reason {
                    expected: Some(matcher.shown()),
                    got: Some(shorten(&values.join(", "), SHOWN)),
                    ..reason(CallKind::WrongReply, format!("{what} {name}: expected {}, {}", matcher.shown(), shorten(&got, SHOWN)))
                });
            }
        }
        Ok(())
    }
}

/// A reply and all that is said of it.
struct Looks<'a> {
    answer: &'a Answer,
    expect: &'a Expect,
    compiled: &'a Compiled,
    method: Option<&'a MethodDescriptor>,
    request: &'a Value,
    n: u64,
}

impl Looks<'_> {
    fn is_stream(&self) -> bool {
        self.method.is_some_and(MethodDescriptor::is_server_streaming)
    }

    /// All messages in JSON.
    fn values(&self) -> Result<Vec<Value>, Reason> {
        if self.method.is_some() {
            return self.answer.messages.iter().map(|m| to_json(m).map_err(|why| reason(CallKind::WrongReply, why))).collect();
        }
        Ok(vec![self.body()])
    }

    /// HTTP's body: JSON where it is JSON, else its text.
    fn body(&self) -> Value {
        let text = String::from_utf8_lossy(&self.answer.body);
        serde_json::from_slice(&self.answer.body).unwrap_or_else(|_| Value::String(text.into_owned()))
    }

    /// The whole reply: of a stream the list of its messages.
    fn whole(&self) -> Result<Value, Reason> {
        let mut values = self.values()?;
        Ok(if self.is_stream() { Value::Array(values) } else { values.pop().unwrap_or_default() })
    }

    fn messages(&self) -> Result<(), Reason> {
        let (expect, compiled) = (self.expect, self.compiled);
        if expect.looks_at_messages() {
            let whole = self.whole()?;
            let count = self.answer.messages.len() as u64;
            if let Some(wanted) = expect.count.filter(|wanted| *wanted != count) {
                return Err(wrong(wanted, &whole, format!("expected {wanted} messages, got {count}")));
            }
            self.value(expect, compiled, &whole)?;
            if let (Some(inner), Some(rules)) = (&expect.each, &compiled.each) {
                // Of nothing all is true; who means that says so.
                if count == 0 && expect.count != Some(0) {
                    return Err(wrong("messages", &whole, "the stream has no message for `each`"));
                }
                for (at, value) in self.values()?.iter().enumerate() {
                    self.value(inner, rules, value).map_err(|r| Reason { words: format!("message {}: {}", at + 1, r.words), ..r })?;
                    let plain = self.plain(Some(at))?;
                    self.expressions(rules, &plain)?;
                }
            }
        }
        let plain = self.plain(None)?;
        self.expressions(compiled, &plain)
    }

    /// `equals`, `matches`, `text` and `oracle` of a value.
    fn value(&self, expect: &Expect, compiled: &Compiled, got: &Value) -> Result<(), Reason> {
        if let Some(wanted) = &expect.equals {
            let wanted = match self.method {
                Some(method) => canonical(&method.output(), wanted, &compiled.rules)
                    .map_err(|c| reason(CallKind::WrongReply, c.why))?,
                None => wanted.clone(),
            };
            let differences = compiled.rules.differences(&wanted, got);
            if !differences.is_empty() {
                return Err(wrong(&wanted, got, format!("wrong reply: {}", differences.join("; "))));
            }
        }
        for (path, text, regex) in &compiled.matches {
            let found = path.find(got).map_err(|why| wrong(format!("{text} matches {regex}"), got, why))?;
            if found.is_empty() {
                return Err(wrong(format!("{text} matches {regex}"), got, format!("{text}: there is nothing that could match")));
            }
            for (place, value) in found {
                let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if !regex.is_match(&shown) {
                    let place = if place.is_empty() { "the reply" } else { &place };
                    let words = format!("{place} does not match /{regex}/: {:?}", shorten(&shown, SHOWN));
                    return Err(wrong(format!("/{regex}/"), &shown, words));
                }
            }
        }
        if let Some(wanted) = &expect.text {
            let shown = self.text(got)?;
            if *wanted != shown {
                let words = format!(
                    "wrong reply (from byte {}): expected {:?}, got {:?}",
                    crate::text::common_bytes(wanted, &shown) + 1,
                    shorten(wanted, SHOWN),
                    shorten(&shown, SHOWN)
                );
                return Err(wrong(wanted, &shown, words));
            }
        }
        if let Some(name) = &expect.oracle {
            self.oracle(name, got)?;
        }
        Ok(())
    }

    /// The whole text: HTTP's body, or the only string of a message.
    fn text(&self, got: &Value) -> Result<String, Reason> {
        match self.method {
            None => Ok(String::from_utf8_lossy(&self.answer.body).into_owned()),
            Some(method) => {
                let field = only_string(&method.output()).map_err(|why| reason(CallKind::WrongReply, why))?;
                Ok(got.get(field).and_then(Value::as_str).unwrap_or_default().to_owned())
            }
        }
    }

    fn oracle(&self, name: &str, got: &Value) -> Result<(), Reason> {
        let lost = |why: String| reason(CallKind::WrongReply, why);
        let function = oracle::find(name).map_err(|e| lost(e.to_string()))?;
        let (Some(method), got) = (self.method, self.text(got)?) else {
            return Err(lost("oracles know gRPC's replies alone".into()));
        };
        let field = only_string(&method.input()).map_err(lost)?;
        let input = self.request.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        oracle::check_input(&function, &input).map_err(lost)?;
        let expected = oracle::expected(&function, &input);
        if expected.accepts(&got) {
            return Ok(());
        }
        let expected = expected.describe();
        let words = format!(
            "for {input:?}: wrong reply (from byte {}): expected {:?}, got {:?}",
            crate::text::common_bytes(&expected, &got) + 1,
            shorten(&expected, SHOWN),
            shorten(&got, SHOWN)
        );
        Err(wrong(expected, &got, words))
    }

    /// What expressions see: the names with their values. `only`: one message of a stream.
    fn plain(&self, only: Option<usize>) -> Result<Vec<(&'static str, Value)>, Reason> {
        let mut replies = Vec::new();
        if self.method.is_some() {
            for message in &self.answer.messages {
                replies.push(to_plain_json(message).map_err(|why| reason(CallKind::WrongReply, why))?);
            }
        } else {
            replies.push(self.body());
        }
        let map = |list: &[(String, String)]| {
            let mut map = Map::new();
            for (name, value) in list {
                let joined = map.get(name).and_then(Value::as_str).map_or_else(|| value.clone(), |old| format!("{old}, {value}"));
                map.insert(name.clone(), joined.into());
            }
            Value::Object(map)
        };
        let status = if self.answer.grpc { json!(self.answer.status_name()) } else { json!(self.answer.status) };
        Ok(vec![
            ("reply", replies.get(only.unwrap_or(0)).cloned().unwrap_or_default()),
            ("replies", Value::Array(replies)),
            ("request", self.request.clone()),
            ("status", status),
            ("message", json!(self.answer.message)),
            ("headers", map(&self.answer.headers)),
            ("trailers", map(&self.answer.trailers)),
            ("n", json!(self.n)),
        ])
    }

    fn expressions(&self, compiled: &Compiled, names: &[(&'static str, Value)]) -> Result<(), Reason> {
        let scope = Scope { names: names.iter().map(|(name, value)| (*name, value)).collect() };
        for (text, program) in &compiled.cel {
            scope.holds(text, program).map_err(|why| {
                let got = names.iter().find(|(name, _)| *name == "replies").map(|(_, v)| v.clone()).unwrap_or_default();
                wrong(text, &got, why)
            })?;
        }
        Ok(())
    }
}

/// Checks of an expectation all that needs the schema.
pub(crate) fn check_expectation(schema: &Schema, call: &Call, expect: &Expect) -> Result<(), Complaint> {
    let http = call.call.is_none();
    let compiled = Compiled::new(expect, http)?;
    let method = match &call.call {
        Some(name) => Some(schema.method(name)?),
        None => None,
    };
    if let Some(name) = &expect.oracle {
        oracle::find(name).map_err(|e| Complaint::new("oracle", e.to_string()))?;
        let Some(method) = &method else {
            return Err(Complaint::new("oracle", "oracles know gRPC's replies alone"));
        };
        only_string(&method.input()).map_err(|why| Complaint::new("oracle", why))?;
    }
    if let Some(name) = &expect.snapshot
        && (name.is_empty() || name.starts_with('.') || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)))
    {
        return Err(Complaint::new("snapshot", format!("{name:?} is no name of a file: letters, digits, - _ .")));
    }
    let Some(method) = method else {
        if expect.count.is_some() || expect.each.is_some() {
            return Err(Complaint::new("", "`count` and `each` are of gRPC's streams"));
        }
        return Ok(());
    };
    if (expect.count.is_some() || expect.each.is_some()) && !method.is_server_streaming() {
        return Err(Complaint::new("", format!("`count` and `each` are of streams, and {} replies once", method.full_name())));
    }
    let texts = [expect.text.is_some(), expect.oracle.is_some(), expect.each.as_ref().is_some_and(|e| e.text.is_some())];
    if texts.contains(&true) {
        only_string(&method.output()).map_err(|why| Complaint::new("text", why))?;
    }
    if let Some(wanted) = &expect.equals {
        let list = match (method.is_server_streaming(), wanted) {
            (true, Value::Array(list)) => list.iter().collect(),
            (true, _) => return Err(Complaint::new("equals", "the reply is a stream: a list of messages is wanted")),
            (false, one) => vec![one],
        };
        for (at, one) in list.into_iter().enumerate() {
            let key = if method.is_server_streaming() { format!("equals[{at}]") } else { "equals".into() };
            from_json(&method.output(), one).map_err(|c| c.below(&key))?;
        }
    }
    if let (Some(inner), Some(_)) = (&expect.each, &compiled.each)
        && let Some(wanted) = &inner.equals
    {
        from_json(&method.output(), wanted).map_err(|c| c.below("equals").below("each"))?;
    }
    Ok(())
}

/// What is wanted, with all defaults, or, where only a part matters, with that part alone.
fn canonical(kind: &MessageDescriptor, wanted: &Value, rules: &Rules) -> Result<Value, Complaint> {
    if let Value::Array(list) = wanted {
        return list.iter().map(|one| canonical(kind, one, rules)).collect::<Result<_, _>>().map(Value::Array);
    }
    let whole = to_json(&from_json(kind, wanted)?).map_err(|why| Complaint::new("", why))?;
    if !rules.partial {
        return Ok(whole);
    }
    Ok(masked(&with_json_names(kind, wanted), &whole))
}

/// The part of `whole` that `named` names.
fn masked(named: &Value, whole: &Value) -> Value {
    match (named, whole) {
        (Value::Object(named), Value::Object(whole)) => {
            let kept = named.iter().map(|(key, inner)| {
                let value = whole.get(key).map_or(Value::Null, |value| masked(inner, value));
                (key.clone(), value)
            });
            Value::Object(kept.collect())
        }
        (Value::Array(named), Value::Array(whole)) => named.iter().zip(whole).map(|(n, w)| masked(n, w)).collect(),
        (_, whole) => whole.clone(),
    }
}

/// The JSON name of a message's only string.
fn only_string(kind: &MessageDescriptor) -> Result<String, String> {
    let found: Vec<_> = kind.fields().filter(|f| f.kind() == Kind::String && !f.is_list() && !f.is_map()).collect();
    match &found[..] {
        [field] => Ok(field.json_name().to_owned()),
        _ => Err(format!("{} has {} texts, and one is wanted", kind.full_name(), found.len())),
    }
}

/// Headers as text; those with `-bin` in plain base64, whatever padding the server wrote.
fn texts(headers: &[Header]) -> Vec<(String, String)> {
    let text = |header: &Header| {
        if header.name.ends_with("-bin") {
            let decoded = STANDARD.decode(&header.value).or_else(|_| STANDARD_NO_PAD.decode(&header.value));
            if let Ok(bytes) = decoded {
                return STANDARD.encode(bytes);
            }
        }
        String::from_utf8_lossy(&header.value).into_owned()
    };
    headers.iter().map(|header| (header.name.clone(), text(header))).collect()
}

/// gRPC's messages are percent-encoded (PROTOCOL-HTTP2.md).
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn reason(kind: CallKind, words: impl Into<String>) -> Reason {
    Reason { kind, status: None, expected: None, got: None, words: words.into() }
}

fn wrong(expected: impl ToString, got: &impl ToString, words: impl Into<String>) -> Reason {
    Reason {
        expected: Some(shorten(&expected.to_string(), 2000)),
        got: Some(shorten(&got.to_string(), 2000)),
        ..reason(CallKind::WrongReply, words)
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
