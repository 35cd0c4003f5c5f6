//! From YAML or JSON to a declaration, with the place of what is wrong.

use serde::Deserialize;
use serde_json::Value;

use crate::around;
use crate::declare::Declaration;
use crate::error::{CallsError, Complaint, Source, nearest};

impl Declaration {
    /// Reads a file's text: YAML, or JSON, which is YAML.
    ///
    /// # Errors
    /// It is no YAML, or has a key or value that is wrong; the error has the place.
    pub fn parse(text: &str, source: &Source) -> Result<Self, CallsError> {
        let source = Source { text: text.to_owned(), ..source.clone() };
        // As in Compose's own files, `yes` and `y` are texts.
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let words = error.to_string();
            let first = words.lines().next().unwrap_or_default();
            // The place comes first, as in all other messages.
            let (place, why) = match error.location() {
                None => (source.name.clone(), first),
                Some(at) => {
                    let told = format!(" at line {}, column {}", at.line(), at.column());
                    let place = format!("{}:{}:{}", source.name, at.line(), at.column());
                    (place, first.strip_suffix(told.as_str()).unwrap_or(first))
                }
            };
            CallsError::Wrong { place, path: String::new(), why: why.to_owned(), hint: None }
        })?;
        Self::from_value(value, &source)
    }

    /// Reads the value of `x-futon`.
    ///
    /// # Errors
    /// A key or value is wrong; the error has the place, as far as `source` knows it.
    pub fn from_value(value: Value, source: &Source) -> Result<Self, CallsError> {
        // Of an empty file, or a key without a value.
        let value = if value.is_null() { Value::Object(serde_json::Map::new()) } else { value };
        let mut track = serde_path_to_error::Track::new();
        let deserializer = serde_path_to_error::Deserializer::new(&value, &mut track);
        let declaration = Self::deserialize(deserializer).map_err(|error| {
            let path = track.path().to_string();
            let path = if path == "." { String::new() } else { path };
            complaint(path, &error.to_string()).at(source)
        })?;
        around::check(&declaration).map_err(|complaint| complaint.at(source))?;
        Ok(declaration)
    }
}

/// serde's message, with the nearest name if a key is unknown.
fn complaint(path: String, words: &str) -> Complaint {
    let Some(rest) = words.strip_prefix("unknown field `") else {
        return Complaint::new(path, readable(words));
    };
    let (key, rest) = rest.split_once('`').unwrap_or((rest, ""));
    let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    // The path has the unknown key at its end already, where serde got so far.
    let path = match path.rsplit_once('.') {
        _ if path == key => path,
        Some((_, last)) if last == key => path,
        _ if path.is_empty() => key.to_owned(),
        _ => format!("{path}.{key}"),
    };
    let complaint = Complaint::new(path, "there is no such key");
    match nearest(key, names.iter().copied()) {
        Some(name) => complaint.hint(format!("did you mean `{name}`?")),
        None => complaint.hint(format!("the keys are {}", names.join(", "))),
    }
}

fn readable(words: &str) -> String {
    if words.contains("did not match any variant of untagged enum StatusRule") {
        "a status is a name or number, a list of them, or {code: …, message: …}".to_owned()
    } else if words.contains("untagged enum OneOrMany") {
        "write a text or a list of texts".to_owned()
    } else if words.contains("untagged enum Scalar") {
        "write a text or a number".to_owned()
    } else if words.contains("untagged enum Unordered") {
        "write `true` or a list of paths".to_owned()
    } else if words.contains("untagged enum Health") {
        "write `true` or the name of a service".to_owned()
    } else {
        words.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, Option<String>) {
        let error = Declaration::parse(text, &Source::new("x.yaml")).unwrap_err();
        (error.to_string(), error.hint().map(str::to_owned))
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        let (words, hint) = refused("calls:\n  - call: a.B/C\n    expect: {equal: 1}\n");
        assert_eq!(words, "x.yaml:3:14: `calls[0].expect.equal`: there is no such key");
        assert_eq!(hint.unwrap(), "did you mean `equals`?");
        let (words, _) = refused("calls:\n  - call: a.B/C\n    times: 0\n");
        assert!(words.starts_with("x.yaml:3:5: `calls[0].times`: "), "{words}");
        let (words, _) = refused("calls: [{call: a.B/C, expect: {status: {message: x}}}]");
        assert!(words.contains("a status is a name or number"), "{words}");
        let (words, _) = refused("calls: [{call: a.B/C, deadline: soon}]");
        assert!(words.contains("write 500ms"), "{words}");
        let (words, _) = refused("calls: [");
        assert!(words.starts_with("x.yaml:1:8: "), "{words}");
        let (words, _) = refused("ready: {http: GET /, tcp: true}");
        assert!(words.contains("ready"), "{words}");
    }

    #[test]
    fn a_declaration_comes_back() {
        let text = "schema: {proto: [a.proto]}\nready: {grpc_health: true}\ncalls:\n  - call: a.B/C\n    data: null\n    \
                    metadata: {x-n: 1, y: [a, b]}\n    deadline: 500ms\n    expect: {status: [OK, 5], unordered: [.a]}\n";
        let declaration = Declaration::parse(text, &Source::new("x.yaml")).unwrap();
        let again = serde_json::to_value(&declaration).unwrap();
        assert_eq!(Declaration::from_value(again, &Source::default()).unwrap(), declaration);
        assert_eq!(declaration.calls[0].data, Some(Value::Null));
        assert_eq!(declaration.calls[0].metadata["y"].texts(), ["a", "b"]);
        assert_eq!(Declaration::parse("", &Source::default()).unwrap(), Declaration::default());
    }
}
