//! Expectations, checked and ready to be held against replies.

use cel::{Context, Program, Value as Cel};
use prost_reflect::MessageDescriptor;
use regex::Regex;
use serde::{Serialize, Serializer, ser::SerializeMap, ser::SerializeSeq};
use serde_json::Value;

use crate::compare::Rules;
use crate::error::Complaint;
use crate::expect::{Expect, Unordered};
use crate::path::Path;
use crate::status::Code;
use crate::text::shorten;

/// Largest regular expression, compiled, bytes: a file of calls is not to take the host's memory.
const REGEX_SIZE: usize = 4 << 20;

/// Functions of CEL on times and durations. They would bring a database of time zones.
const OF_TIME: [&str; 12] = [
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// A text, or a regular expression between slashes.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    Text(String),
    Regex(Regex),
}

impl Matcher {
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        match between_slashes(text) {
            Some(inside) => regex(inside).map(Self::Regex),
            None => Ok(Self::Text(text.to_owned())),
        }
    }

    pub(crate) fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Regex(regex) => format!("/{regex}/"),
        }
    }
}

/// The inside of `/regex/`.
pub(crate) fn between_slashes(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/')
}

pub(crate) fn regex(text: &str) -> Result<Regex, Complaint> {
    regex::RegexBuilder::new(text).size_limit(REGEX_SIZE).build().map_err(|error| {
        let words = error.to_string();
        let last = words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
        Complaint::new("", format!("not a regular expression: {text:?}: {}", last.trim_start_matches("error: ")))
    })
}

/// A status that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Grpc(u32),
    Http(u32),
    /// `2xx`.
    Class(u32),
}

/// An expectation, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) statuses: Vec<Wanted>,
    pub(crate) message: Option<Matcher>,
    pub(crate) rules: Rules,
    pub(crate) matches: Vec<(Path, String, Regex)>,
    pub(crate) headers: Vec<(String, Matcher)>,
    pub(crate) trailers: Vec<(String, Matcher)>,
    pub(crate) cel: Vec<(String, Program)>,
    pub(crate) each: Option<Box<Self>>,
}

impl Compiled {
    /// Checks all that can be checked without a schema. The fills of `{{n}}` are made before.
    pub(crate) fn new(expect: &Expect, http: bool) -> Result<Self, Complaint> {
        if expect.is_empty() {
            return Err(Complaint::new("", "it is empty, so any reply would be correct")
                .hint("write at least `status: OK`, or for HTTP `status: 200`"));
        }
        let mut statuses = Vec::new();
        for text in expect.status.iter().flat_map(crate::expect::StatusRule::codes) {
            statuses.push(wanted(&text, http).map_err(|why| Complaint::new("status", why))?);
        }
        if expect.status.is_some() && statuses.is_empty() {
            return Err(Complaint::new("status", "the list is empty"));
        }
        let message = expect.status.as_ref().and_then(|status| status.message());
        let message = message.map(Matcher::parse).transpose().map_err(|c| c.below("status.message"))?;
        if expect.equals.is_none() && expect.snapshot.is_none() && expect.each.is_none() {
            for (key, given) in [
                ("partial", expect.partial),
                ("unordered", expect.unordered.is_some()),
                ("tolerance", expect.tolerance.is_some()),
                ("ignore", !expect.ignore.is_empty()),
            ] {
                if given {
                    return Err(Complaint::new(key, "it qualifies `equals`, but there is none"));
                }
            }
        }
        let paths = |key: &str, list: &[String]| -> Result<Vec<Path>, Complaint> {
            let parsed = list
                .iter()
                .enumerate()
                .map(|(at, text)| Path::parse(text).map_err(|why| Complaint::new(format!("{key}[{at}]"), why)));
            parsed.collect()
        };
        let (unordered_all, unordered) = match &expect.unordered {
            None => (false, Vec::new()),
            Some(Unordered::All(all)) => (*all, Vec::new()),
            Some(Unordered::Paths(list)) => (false, paths("unordered", list)?),
        };
        let tolerance = expect.tolerance.unwrap_or_default();
        if !tolerance.is_finite() || tolerance < 0.0 {
            return Err(Complaint::new("tolerance", "write a number of at least 0"));
        }
        let rules = Rules {
            partial: expect.partial,
            unordered_all,
            unordered,
            tolerance,
            ignore: paths("ignore", &expect.ignore)?,
        };
        let mut matches = Vec::new();
        for (path, text) in &expect.matches {
            let parsed = Path::parse(path).map_err(|why| Complaint::new("matches", why))?;
            let regex = regex(text).map_err(|c| c.below("matches"))?;
            matches.push((parsed, path.clone(), regex));
        }
        let named = |key: &str, map: &std::collections::BTreeMap<String, crate::scalar::Scalar>| {
            let list = map.iter().map(|(name, text)| {
                let text = text.text();
                let matcher = Matcher::parse(&text).map_err(|c| c.below(name).below(key))?;
                let is_path = matches!(name.to_ascii_lowercase().as_str(), "location" | "content-location");
                if is_path && between_slashes(&text).is_some_and(|inside| regex::escape(inside) == inside) {
                    let why =
                        format!("{text:?} is a regular expression, since it is between slashes, and looks like a path");
                    let inside = text.trim_matches('/');
                    let hint = format!(
                        "for this path write '/^{text}$/'; for a place that has {inside} in it, '/.*{inside}/'"
                    );
                    return Err(Complaint::new(name, why).hint(hint).below(key));
                }
                Ok((name.to_ascii_lowercase(), matcher))
            });
            list.collect::<Result<Vec<_>, Complaint>>()
        };
        let mut cel = Vec::new();
        for (at, text) in expect.cel.iter().enumerate() {
            let program = Program::compile(text).map_err(|errors| {
                let words = errors.to_string();
                Complaint::new(
                    format!("cel[{at}]"),
                    format!("not a CEL expression: {}", words.lines().next().unwrap_or_default()),
                )
            })?;
            let references = program.references();
            if let Some(name) = OF_TIME.iter().find(|name| references.has_function(name)) {
                return Err(Complaint::new(format!("cel[{at}]"), format!("`{name}` is not supported: CEL has no times here"))
                    .hint("times and durations of a reply are texts, as in proto3 JSON: compare them as texts, or use `matches`"));
            }
            cel.push((text.clone(), program));
        }
        let each = match &expect.each {
            None => None,
            Some(inner) => {
                if inner.each.is_some() || inner.count.is_some() || inner.snapshot.is_some() || inner.status.is_some() {
                    return Err(Complaint::new(
                        "each",
                        "it is about one message: status, count, snapshot and each are not allowed",
                    ));
                }
                Some(Box::new(Self::new(inner, http).map_err(|c| c.below("each"))?))
            }
        };
        Ok(Self {
            statuses,
            message,
            rules,
            matches,
            headers: named("headers", &expect.headers)?,
            trailers: named("trailers", &expect.trailers)?,
            cel,
            each,
        })
    }
}

impl Compiled {
    /// Whether an expression may look at the request.
    pub(crate) fn sees_request(&self) -> bool {
        let own = self.cel.iter().any(|(text, _)| text.contains("request"));
        own || self.each.as_ref().is_some_and(|each| each.sees_request())
    }

    /// Gives paths the JSON names of the fields of a reply's messages.
    pub(crate) fn with_names_of(mut self, kind: &MessageDescriptor) -> Self {
        for path in self.rules.unordered.iter_mut().chain(&mut self.rules.ignore) {
            *path = path.in_json(kind);
        }
        for (path, ..) in &mut self.matches {
            *path = path.in_json(kind);
        }
        self.each = self.each.map(|each| Box::new(each.with_names_of(kind)));
        self
    }
}

fn wanted(text: &str, http: bool) -> Result<Wanted, String> {
    if !http {
        return Code::parse(text).map(|code| Wanted::Grpc(code.0));
    }
    let class =
        text.strip_suffix("xx").and_then(|digit| digit.parse::<u32>().ok()).filter(|digit| (1..=9).contains(digit));
    if let Some(class) = class {
        return Ok(Wanted::Class(class));
    }
    match text.parse::<u32>() {
        Ok(status) if (100..1000).contains(&status) => Ok(Wanted::Http(status)),
        _ => Err(format!("{text:?} is not an HTTP status; write 200 or 2xx")),
    }
}

/// What expressions see.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) names: Vec<(&'static str, &'a Value)>,
}

impl Scope<'_> {
    /// Whether an expression is true; else why not.
    pub(crate) fn holds(&self, text: &str, program: &Program) -> Result<(), String> {
        let mut context = Context::default();
        for (name, value) in &self.names {
            context
                .add_variable(*name, Plain(value))
                .map_err(|error| format!("{text}: {name} cannot be put into an expression: {error}"))?;
        }
        match program.execute(&context) {
            Ok(Cel::Bool(true)) => Ok(()),
            Ok(Cel::Bool(false)) => Err(format!("{text} is false")),
            Ok(other) => Err(format!("{text} is not true or false, but {}", shorten(&format!("{other:?}"), 80))),
            Err(error) => Err(format!("{text}: {}", shorten(&error.to_string(), 200))),
        }
    }
}

/// JSON whose whole numbers are signed: CEL has no operators between signed and unsigned ones.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(signed), _) => serializer.serialize_i64(signed),
                (None, Some(unsigned)) => serializer.serialize_u64(unsigned),
                (None, None) => serializer.serialize_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(list) => {
                let mut sequence = serializer.serialize_seq(Some(list.len()))?;
                for value in list {
                    sequence.serialize_element(&Plain(value))?;
                }
                sequence.end()
            }
            Value::Object(map) => {
                let mut object = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map {
                    object.serialize_entry(key, &Plain(value))?;
                }
                object.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compiled(expect: Value, http: bool) -> Result<Compiled, String> {
        let expect: Expect = serde_json::from_value(expect).unwrap();
        Compiled::new(&expect, http).map_err(|c| format!("{}: {}", c.path, c.why))
    }

    #[test]
    fn what_says_nothing_or_nonsense_is_refused() {
        for (expect, http, words) in [
            (json!({}), false, "any reply would be correct"),
            (json!({"status": "NOPE"}), false, "not a gRPC status"),
            (json!({"status": "OK"}), true, "not an HTTP status"),
            (json!({"status": 1000}), true, "not an HTTP status"),
            (json!({"status": []}), true, "the list is empty"),
            (json!({"partial": true}), false, "there is none"),
            (json!({"matches": {".a": "("}}), false, "not a regular expression"),
            (json!({"matches": {"a": "x"}}), false, "is not a path"),
            (json!({"cel": ["1 +"]}), false, "not a CEL expression"),
            (
                json!({"cel": ["timestamp(reply.at) < timestamp('2030-01-01T00:00:00Z')"]}),
                false,
                "`timestamp` is not supported",
            ),
            (json!({"cel": ["reply.at.getFullYear() == 2026"]}), false, "`getFullYear` is not supported"),
            (json!({"equals": 1, "tolerance": -1}), false, "at least 0"),
            (json!({"each": {}}), false, "any reply"),
            (json!({"each": {"count": 1}}), false, "one message"),
        ] {
            let error = compiled(expect.clone(), http).unwrap_err();
            assert!(error.contains(words), "{expect}: {error}");
        }
        assert_eq!(
            compiled(json!({"status": ["2xx", 404]}), true).unwrap().statuses,
            [Wanted::Class(2), Wanted::Http(404)]
        );
    }

    #[test]
    fn expressions_are_true_or_say_why() {
        let reply = json!({"ids": ["a", "b"], "n": 5, "f": 1.5, "none": null});
        let scope = Scope { names: vec![("reply", &reply)] };
        let holds = |text: &str| scope.holds(text, &Program::compile(text).unwrap());
        for text in [
            "size(reply.ids) == 2",
            "reply.n == 5 && reply.n > 4 && reply.f > 1.0",
            "reply.ids.all(i, i.matches('^[a-z]$'))",
            "'a' in reply.ids",
            "reply.none == null",
        ] {
            holds(text).unwrap_or_else(|why| panic!("{why}"));
        }
        assert_eq!(holds("reply.n == 6").unwrap_err(), "reply.n == 6 is false");
        assert!(holds("reply.n").unwrap_err().contains("not true or false"));
        assert!(holds("reply.missing == 1").unwrap_err().starts_with("reply.missing == 1: "));
        assert!(holds("nobody == 1").unwrap_err().contains("nobody"));
    }
}
