//! A reply's messages held against what is said of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::check::{OnlyText, canonical, comparable};
use crate::compare::{Rules, readable};
use crate::expect::Expect;
use crate::rules::{Compiled, Scope};
use crate::schema::to_plain_json;
use crate::text::shorten;
use crate::verdict::{CallKind, Reason, SHOWN, reason, wrong};

/// A reply and all that is said of it.
pub(crate) struct Looks<'a> {
    pub(crate) answer: &'a Answer,
    pub(crate) expect: &'a Expect,
    pub(crate) compiled: &'a Compiled,
    pub(crate) method: Option<&'a MethodDescriptor>,
    pub(crate) request: &'a Value,
    pub(crate) n: u64,
}

impl Looks<'_> {
    pub(crate) fn is_stream(&self) -> bool {
        self.method.is_some_and(MethodDescriptor::is_server_streaming)
    }

    /// All messages in JSON, in the form that these rules compare.
    pub(crate) fn values(&self, rules: &Rules) -> Result<Vec<Value>, Reason> {
        if self.method.is_some() {
            return self
                .answer
                .messages
                .iter()
                .map(|m| comparable(m, rules).map_err(|why| reason(CallKind::WrongReply, why)))
                .collect();
        }
        Ok(vec![self.body()])
    }

    /// HTTP's body: JSON where it is JSON, else its text.
    pub(crate) fn body(&self) -> Value {
        let text = || Value::String(String::from_utf8_lossy(&self.answer.body).into_owned());
        self.answer.json.clone().unwrap_or_else(text)
    }

    /// HTTP's body where it is no text: as a text some of its bytes would look alike.
    pub(crate) fn bytes(&self) -> Option<Value> {
        (!self.is_text()).then(|| json!({"base64": STANDARD.encode(&self.answer.body)}))
    }

    /// Whether HTTP's body is a text. What is not UTF-8 is shown with other characters in its place, and so is no text that could be right.
    fn is_text(&self) -> bool {
        self.method.is_some() || std::str::from_utf8(&self.answer.body).is_ok()
    }

    /// Says that a body is no JSON.
    fn not_json(&self) -> String {
        let encoding =
            self.answer.headers.iter().find(|(name, _)| name == "content-encoding").map(|(_, value)| value.as_str());
        let encoding = encoding.or_else(|| self.answer.body.starts_with(&[0x1f, 0x8b]).then_some("gzip"));
        if let Some(encoding) = encoding.filter(|encoding| *encoding != "identity") {
            return format!("the body is encoded ({encoding}), which futon does not decode, so it is not JSON");
        }
        let shown = shorten(&String::from_utf8_lossy(&self.answer.body), SHOWN);
        let why = serde_json::from_slice::<Value>(&self.answer.body).err().map(|why| format!(" ({why})"));
        format!("the body is not JSON{}: {shown:?}; `text` compares a body as it is", why.unwrap_or_default())
    }

    /// The whole reply: of a stream the list of its messages.
    pub(crate) fn whole(&self) -> Result<Value, Reason> {
        let mut values = self.values(&self.compiled.rules)?;
        Ok(if self.is_stream() { Value::Array(values) } else { values.pop().unwrap_or_default() })
    }

    pub(crate) fn messages(&self) -> Result<(), Reason> {
        let (expect, compiled) = (self.expect, self.compiled);
        if expect.looks_at_messages() {
            let whole = self.whole()?;
            let count = self.answer.messages.len() as u64;
            if let Some(wanted) = expect.count.filter(|wanted| *wanted != count) {
                return Err(wrong(&wanted, &whole, format!("expected {wanted} messages, got {count}")));
            }
            self.value(expect, compiled, &whole, self.is_stream())?;
            if let (Some(inner), Some(rules)) = (&expect.each, &compiled.each) {
                // For an empty stream everything is true; `count: 0` must say that this is meant.
                if count == 0 && expect.count != Some(0) {
                    return Err(wrong("messages", &whole, "the stream has no message for `each`"));
                }
                for (at, value) in self.values(&rules.rules)?.iter().enumerate() {
                    self.value(inner, rules, value, false)
                        .map_err(|r| Reason { words: format!("message {}: {}", at + 1, r.words), ..r })?;
                    self.expressions(rules, Some(at))?;
                }
            }
        }
        self.expressions(compiled, None)
    }

    /// `equals`, `matches`, `text` and `oracle` of a value; `list`: of a list of messages.
    pub(crate) fn value(&self, expect: &Expect, compiled: &Compiled, got: &Value, list: bool) -> Result<(), Reason> {
        if let Some(wanted) = &expect.equals {
            if self.method.is_none() && self.answer.json.is_none() {
                return Err(wrong(wanted, got, self.not_json()));
            }
            let wanted = match self.method {
                Some(method) => {
                    let one = |one: &Value| canonical(&method.output(), one, &compiled.rules);
                    let whole = match wanted {
                        Value::Array(messages) if list => {
                            messages.iter().map(one).collect::<Result<_, _>>().map(Value::Array)
                        }
                        wanted => one(wanted),
                    };
                    whole.map_err(|c| reason(CallKind::WrongReply, c.why))?
                }
                None => wanted.clone(),
            };
            let differences = compiled.rules.differences(&wanted, got);
            if !differences.is_empty() {
                return Err(wrong(&readable(&wanted), got, format!("wrong reply: {}", differences.join("; "))));
            }
        }
        if !compiled.matches.is_empty() && !self.is_text() {
            return Err(wrong("matches", got, "the body is not UTF-8, so nothing in it can match".to_owned()));
        }
        for (path, text, regex) in &compiled.matches {
            let found = path.find(got).map_err(|why| wrong(&format!("{text} matches {regex}"), got, why))?;
            if found.is_empty() {
                return Err(wrong(
                    &format!("{text} matches {regex}"),
                    got,
                    format!("{text}: there is nothing to match"),
                ));
            }
            for (place, value) in found {
                let shown = match value {
                    Value::String(text) => text.clone(),
                    // gRPC's doubles as proto3 JSON has them: without a fraction where there is none.
                    Value::Number(number) if self.method.is_some() => {
                        let text = number.to_string();
                        text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
                    }
                    other => other.to_string(),
                };
                if !regex.is_match(&shown) {
                    let place = if place.is_empty() { "the reply" } else { &place };
                    let words = format!("{place} does not match /{regex}/: {:?}", shorten(&shown, SHOWN));
                    return Err(wrong(&format!("/{regex}/"), &shown, words));
                }
            }
        }
        if let Some(wanted) = &expect.text {
            let shown = self.text(got)?;
            if *wanted != shown || !self.is_text() {
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
            self.oracle(name, &expect.oracle_inputs, got)?;
        }
        Ok(())
    }

    /// The whole text: HTTP's body, or the only string of a message.
    pub(crate) fn text(&self, got: &Value) -> Result<String, Reason> {
        match self.method {
            None => Ok(String::from_utf8_lossy(&self.answer.body).into_owned()),
            Some(method) => {
                let text = OnlyText::of(&method.output()).map_err(|why| reason(CallKind::WrongReply, why))?;
                Ok(text.find(got))
            }
        }
    }

    /// By a built-in verifier: for `inputs`, or for the request's text if there are none.
    pub(crate) fn oracle(&self, name: &str, inputs: &[String], got: &Value) -> Result<(), Reason> {
        let lost = |why: String| reason(CallKind::WrongReply, why);
        let function = oracles::find(name).map_err(|e| lost(e.to_string()))?;
        let (Some(method), got) = (self.method, self.text(got)?) else {
            return Err(lost("oracles know only gRPC replies".into()));
        };
        let inputs = if inputs.is_empty() {
            vec![OnlyText::of(&method.input()).map_err(lost)?.find(self.request)]
        } else {
            inputs.to_vec()
        };
        let mut expected = oracles::Expectation::default();
        for input in &inputs {
            oracles::check_input(&function, input).map_err(lost)?;
            expected = expected.or(oracles::expected(&function, input));
        }
        if expected.accepts(&got) {
            return Ok(());
        }
        let expected = expected.describe();
        let words = format!(
            "for {}: wrong reply (from byte {}): expected {:?}, got {:?}",
            shorten(&format!("{:?}", inputs.join(", ")), SHOWN),
            crate::text::common_bytes(&expected, &got) + 1,
            shorten(&expected, SHOWN),
            shorten(&got, SHOWN)
        );
        Err(wrong(&expected, &got, words))
    }

    /// What expressions see: the names with their values. `only`: one message of a stream.
    fn plain(&self, only: Option<usize>) -> Result<Vec<(&'static str, Value)>, Reason> {
        let mut replies = Vec::new();
        if self.method.is_some() {
            for message in &self.answer.messages {
                replies.push(to_plain_json(message).map_err(|why| reason(CallKind::WrongReply, why))?);
            }
        } else {
            // Shown as text some of its bytes would look alike.
            replies.push(self.bytes().unwrap_or_else(|| self.body()));
        }
        let map = |list: &[(String, String)]| {
            let mut map = Map::new();
            for (name, value) in list {
                let joined = map
                    .get(name)
                    .and_then(Value::as_str)
                    .map_or_else(|| value.clone(), |old| format!("{old}, {value}"));
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

    /// CEL. A reply is made JSON only where there is an expression: some messages, as an `Any` of unknown type, have no such form.
    fn expressions(&self, compiled: &Compiled, only: Option<usize>) -> Result<(), Reason> {
        if compiled.cel.is_empty() {
            return Ok(());
        }
        let names = self.plain(only)?;
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
