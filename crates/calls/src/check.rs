//! Expectations held against the schema, before a run.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use crate::compare::{Rules, unset};
use crate::declare::Call;
use crate::error::Complaint;
use crate::expect::Expect;
use crate::path::shown;
use crate::rules::Compiled;
use crate::schema::{Schema, from_json, to_json, to_plain_json, with_json_names};
use crate::walk::is_special;

/// Checks of an expectation all that needs the schema.
pub(crate) fn check_expectation(schema: &Schema, call: &Call, expect: &Expect) -> Result<(), Complaint> {
    let http = call.call.is_none();
    let compiled = Compiled::new(expect, http)?;
    let method = match &call.call {
        Some(name) => Some(schema.method(name)?),
        None => None,
    };
    if let Some(name) = &expect.oracle {
        let function = oracles::find(name).map_err(|e| Complaint::new("oracle", e.to_string()))?;
        for input in &expect.oracle_inputs {
            oracles::check_input(&function, input).map_err(|why| Complaint::new("oracle_inputs", why))?;
        }
        let Some(method) = &method else {
            return Err(Complaint::new("oracle", "oracles know only gRPC replies"));
        };
        if expect.oracle_inputs.is_empty() {
            OnlyText::of(&method.input()).map_err(|why| Complaint::new("oracle", why))?;
        }
    } else if !expect.oracle_inputs.is_empty() {
        return Err(Complaint::new("oracle_inputs", "they need an `oracle`"));
    }
    if let Some(name) = &expect.snapshot
        && (name.is_empty()
            || name.starts_with('.')
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)))
    {
        return Err(Complaint::new("snapshot", format!("{name:?} is not a file name: use letters, digits, - _ .")));
    }
    let Some(method) = method else {
        let inner = expect.each.as_ref().and_then(|each| each.equals.as_ref());
        if let Some(number) = expect.equals.iter().chain(inner).find_map(beyond_64_bits) {
            return Err(Complaint::new(
                "equals",
                format!("{number}: a whole number of more than 64 bits is not compared as a number"),
            )
            .hint("write it as a text, with all digits: such numbers of a reply are texts, too"));
        }
        if compiled.message.is_some() {
            return Err(
                Complaint::new("status.message", "only gRPC's statuses have a message").hint("`text` is HTTP's body")
            );
        }
        if expect.count.is_some() || expect.each.is_some() {
            return Err(Complaint::new("", "`count` and `each` are only for gRPC streams"));
        }
        return Ok(());
    };
    let (kind, stream) = (method.output(), method.is_server_streaming());
    lead_somewhere(&compiled, &kind, stream)?;
    if let Some(each) = &compiled.each {
        lead_somewhere(each, &kind, false).map_err(|c| c.below("each"))?;
    }
    if (expect.count.is_some() || expect.each.is_some()) && !method.is_server_streaming() {
        return Err(Complaint::new(
            "",
            format!("`count` and `each` are only for streams, and {} replies once", method.full_name()),
        ));
    }
    let texts =
        [expect.text.is_some(), expect.oracle.is_some(), expect.each.as_ref().is_some_and(|e| e.text.is_some())];
    if stream && (expect.text.is_some() || expect.oracle.is_some()) {
        let key = if expect.text.is_some() { "text" } else { "oracle" };
        return Err(Complaint::new(key, "the reply is a stream, and has no text of its own")
            .hint(format!("write it for each message: each: {{{key}: …}}")));
    }
    if texts.contains(&true) {
        OnlyText::of(&method.output()).map_err(|why| Complaint::new("text", why))?;
    }
    if let Some(wanted) = &expect.equals {
        let list = match (method.is_server_streaming(), wanted) {
            (true, Value::Array(list)) => list.iter().collect(),
            (true, _) => return Err(Complaint::new("equals", "the reply is a stream: give a list of messages")),
            (false, one) => vec![one],
        };
        for (at, one) in list.into_iter().enumerate() {
            let key = if method.is_server_streaming() { format!("equals[{at}]") } else { "equals".into() };
            canonical(&method.output(), one, &compiled.rules).map_err(|c| c.below(&key))?;
        }
    }
    if let (Some(inner), Some(_)) = (&expect.each, &compiled.each)
        && let Some(wanted) = &inner.equals
    {
        canonical(&method.output(), wanted, &compiled.rules).map_err(|c| c.below("equals").below("each"))?;
    }
    Ok(())
}

/// Refuses paths that no reply has.
fn lead_somewhere(compiled: &Compiled, kind: &MessageDescriptor, stream: bool) -> Result<(), Complaint> {
    let matches = compiled.matches.iter().map(|(path, ..)| ("matches", path));
    let rules = &compiled.rules;
    let others = rules.ignore.iter().map(|path| ("ignore", path));
    let all = matches.chain(others).chain(rules.unordered.iter().map(|path| ("unordered", path)));
    for (key, path) in all {
        if let Some(why) = path.misses(kind, stream) {
            return Err(Complaint::new(key, format!("{} leads nowhere: {why}", shown(&path.0))));
        }
    }
    Ok(())
}

/// The expected value, with all defaults, or only the given part if `partial`.
pub(crate) fn canonical(kind: &MessageDescriptor, wanted: &Value, rules: &Rules) -> Result<Value, Complaint> {
    let whole = comparable(&from_json(kind, wanted)?, rules).map_err(|why| Complaint::new("", why))?;
    if !rules.partial {
        return Ok(whole);
    }
    masked(&with_json_names(kind, wanted), &whole)
}

/// A message in the form in which it is compared: with a tolerance 64-bit integers are numbers.
pub(crate) fn comparable(message: &DynamicMessage, rules: &Rules) -> Result<Value, String> {
    if rules.tolerance > 0.0 { to_plain_json(message) } else { to_json(message) }
}

/// The part of `whole` that `named` names.
fn masked(named: &Value, whole: &Value) -> Result<Value, Complaint> {
    Ok(match (named, whole) {
        (Value::Object(named), Value::Object(whole)) => {
            let kept = named.iter().map(|(key, inner)| {
                let value = match whole.get(key) {
                    Some(value) => masked(inner, value).map_err(|c| c.below(key))?,
                    None if inner.is_null() => unset(),
                    // Left out, it would not be compared.
                    None => {
                        return Err(Complaint::new(key, "with `partial` it must be written as in proto3 JSON")
                            .hint("field names are in camelCase there, and keys of maps have no leading zeros"));
                    }
                };
                Ok((key.clone(), value))
            });
            Value::Object(kept.collect::<Result<_, Complaint>>()?)
        }
        (Value::Array(named), Value::Array(whole)) => {
            named.iter().zip(whole).map(|(n, w)| masked(n, w)).collect::<Result<_, _>>()?
        }
        (_, whole) => whole.clone(),
    })
}

/// The first number of a value beyond 64 bits, as which a whole number is read that has more of them.
fn beyond_64_bits(value: &Value) -> Option<String> {
    find_beyond_64_bits(value, &|_| true)
}

/// The same, of those that `is_meant` takes as they are written.
pub(crate) fn find_beyond_64_bits(value: &Value, is_meant: &impl Fn(&str) -> bool) -> Option<String> {
    match value {
        Value::Number(number) => {
            let large = number.as_f64().filter(|_| number.is_f64()).is_some_and(|x| x.abs() >= 2_f64.powi(63));
            large.then(|| number.to_string()).filter(|text| is_meant(text))
        }
        Value::Array(list) => list.iter().find_map(|one| find_beyond_64_bits(one, is_meant)),
        Value::Object(map) => map.values().find_map(|one| find_beyond_64_bits(one, is_meant)),
        _ => None,
    }
}

/// Where a message's only text stands in its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnlyText {
    /// In the field with this name.
    Field(String),
    /// The message's JSON is the text.
    All,
}

impl OnlyText {
    /// Of this kind of message.
    pub(crate) fn of(kind: &MessageDescriptor) -> Result<Self, String> {
        if kind.full_name() == "google.protobuf.StringValue" {
            return Ok(Self::All);
        }
        let is_special = is_special(kind);
        let is_text = |f: &FieldDescriptor| f.kind() == Kind::String && !f.is_list() && !f.is_map() && !is_special;
        let found: Vec<_> = kind.fields().filter(is_text).collect();
        match &found[..] {
            [field] => Ok(Self::Field(field.json_name().to_owned())),
            _ => Err(format!("{} has {} text fields, but must have one", kind.full_name(), found.len())),
        }
    }

    /// The text of a message in JSON; what is not set is empty.
    pub(crate) fn find(&self, message: &Value) -> String {
        let found = match self {
            Self::Field(name) => message.get(name),
            Self::All => Some(message),
        };
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}
