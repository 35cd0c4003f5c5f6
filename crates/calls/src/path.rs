//! Paths in JSON: `.hotels[0].name`, `.hotels[*].name`, `.labels["k.1"]`, `.` for the whole.

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value;

use crate::walk::{field_named, is_special};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    At(usize),
    All,
}

/// A path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a path; write .field, .list[0].field, .list[*], .map[\"key\"], or . for the whole reply"
            )
        };
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('.').ok_or_else(wrong)?;
        if rest.starts_with('.') || text.ends_with('.') && text.len() > 1 {
            return Err(wrong());
        }
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (step, after) = match quoted(inside) {
                    Some((key, after)) => (Step::Key(key), after),
                    None => {
                        let (index, after) = inside.split_once(']').ok_or_else(wrong)?;
                        let step = match index {
                            "*" | "" => Step::All,
                            number => Step::At(number.parse().map_err(|_| wrong())?),
                        };
                        (step, after)
                    }
                };
                steps.push(step);
                rest = after.strip_prefix('.').unwrap_or(after);
                if after.starts_with('.') && rest.is_empty() {
                    return Err(wrong());
                }
                continue;
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() {
                return Err(wrong());
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        Ok(Self(steps))
    }

    /// All values at the path, each with its own place; a step that leads nowhere gives the place where it failed.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Result<Vec<(String, &'a Value)>, String> {
        let mut found = vec![(String::new(), value)];
        for step in &self.0 {
            let mut next = Vec::new();
            for (place, value) in found {
                match step {
                    Step::Key(key) => match value.get(key) {
                        Some(inner) => next.push((format!("{place}{}", key_shown(key)), inner)),
                        None => return Err(format!("{place}{} is missing", key_shown(key))),
                    },
                    Step::At(at) => match value.get(at) {
                        Some(inner) => next.push((format!("{place}[{at}]"), inner)),
                        None => return Err(format!("{place}[{at}] is missing")),
                    },
                    Step::All => match value.as_array() {
                        Some(list) => next.extend(list.iter().enumerate().map(|(at, v)| (format!("{place}[{at}]"), v))),
                        None => return Err(format!("{place} is not a list")),
                    },
                }
            }
            found = next;
        }
        Ok(found)
    }

    /// The same path with the JSON names of a message's fields in place of those of its `.proto`. Keys of maps, and what the message does not
    /// have, stay as they are.
    pub(crate) fn in_json(&self, kind: &MessageDescriptor) -> Self {
        let mut walk = Walk::from(kind);
        let step = |step: &Step| match step {
            Step::Key(key) => match walk.go(key) {
                Met::Field { json, .. } => Step::Key(json),
                _ => step.clone(),
            },
            other => other.clone(),
        };
        Self(self.0.iter().map(step).collect())
    }

    /// Why this path can lead nowhere in a reply of this kind; `stream`: in a list of them. What is in a map, an `Any` or a `Struct` is not known.
    pub(crate) fn misses(&self, kind: &MessageDescriptor, stream: bool) -> Option<String> {
        let (mut walk, mut list) = (Walk::from(kind), stream);
        for (at, step) in self.0.iter().enumerate() {
            let place = shown(&self.0[..at]);
            let Step::Key(key) = step else {
                if !list && walk.is_known() {
                    return Some(format!("{place} is not a list"));
                }
                list = false;
                continue;
            };
            if list {
                let rest = shown(&self.0[at..]);
                let place = if at == 0 { "." } else { &place };
                return Some(format!("{place} is a list: write {place}[*]{rest}"));
            }
            match walk.go(key) {
                Met::Entry => {}
                Met::Unknown => return None,
                Met::Missing(kind) => return Some(format!("{} has no field {key}", kind.full_name())),
                Met::Field { list: is_list, .. } => {
                    list = is_list;
                    if !list && !walk.is_known() && at + 1 < self.0.len() {
                        return Some(format!("{} is one value", shown(&self.0[..=at])));
                    }
                }
            }
        }
        None
    }

    /// Whether a place in a value is at this path.
    pub(crate) fn covers(&self, place: &[Step]) -> bool {
        self.0.len() == place.len()
            && self.0.iter().zip(place).all(|(own, other)| match (own, other) {
                (Step::All, Step::At(_)) => true,
                (own, other) => own == other,
            })
    }
}

/// Where a path has led to in messages whose kinds are known: in a message, among a map's entries, or elsewhere.
struct Walk {
    message: Option<MessageDescriptor>,
    /// The kind of a map's values.
    entries: Option<Kind>,
}

/// What a key leads to.
enum Met {
    /// A map's entry.
    Entry,
    /// A field, or an extension.
    Field {
        /// Its name in JSON.
        json: String,
        /// Whether it is a list.
        list: bool,
    },
    /// Nothing: this kind of message has no such field.
    Missing(MessageDescriptor),
    /// Something in what has no fields of its own: Google's types, and plain values.
    Unknown,
}

impl Walk {
    fn from(kind: &MessageDescriptor) -> Self {
        Self { message: Some(kind.clone()), entries: None }
    }

    /// Whether it is in a message, or among a map's entries.
    fn is_known(&self) -> bool {
        self.message.is_some() || self.entries.is_some()
    }

    /// Goes to a key.
    fn go(&mut self, key: &str) -> Met {
        if let Some(value) = self.entries.take() {
            self.message = value.as_message().cloned();
            return Met::Entry;
        }
        let known = self.message.take().filter(|kind| !is_special(kind));
        let Some(known) = known else { return Met::Unknown };
        if key.starts_with('[') {
            let Some(extension) = known.extensions().find(|extension| extension.json_name() == key) else {
                return Met::Missing(known);
            };
            self.message = extension.kind().as_message().cloned();
            return Met::Field { json: key.to_owned(), list: extension.is_list() };
        }
        let Some(field) = field_named(&known, key) else { return Met::Missing(known) };
        match (field.is_map(), field.kind().as_message()) {
            (true, Some(entry)) => self.entries = Some(entry.map_entry_value_field().kind()),
            (_, kind) => self.message = kind.cloned(),
        }
        Met::Field { json: field.json_name().to_owned(), list: field.is_list() }
    }
}

/// A key between `"` and `"]`, or between `'` and `']`, and what follows. `\` takes the next character as it is.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut key = String::new();
    let mut rest = text[1..].char_indices();
    while let Some((at, c)) = rest.next() {
        if c == quote {
            return Some((key, text[1 + at + 1..].strip_prefix(']')?));
        }
        key.push(if c == '\\' { rest.next()?.1 } else { c });
    }
    None
}

/// A key as it is written in a path.
fn key_shown(key: &str) -> String {
    if key.is_empty() || key.contains(['.', '[', ']', '"']) { format!("[{key:?}]") } else { format!(".{key}") }
}

/// A place as text.
pub(crate) fn shown(place: &[Step]) -> String {
    let mut text = String::new();
    for step in place {
        match step {
            Step::Key(key) => text.push_str(&key_shown(key)),
            Step::At(at) => text.push_str(&format!("[{at}]")),
            Step::All => text.push_str("[*]"),
        }
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_values() {
        let value = json!({"hotelIds": ["1", "2"], "rooms": [{"price": 1}, {"price": 2}]});
        let texts = |path: &str| -> Result<Vec<String>, String> {
            Ok(Path::parse(path)?.find(&value)?.into_iter().map(|(p, v)| format!("{p}={v}")).collect())
        };
        assert_eq!(texts(".hotelIds[1]").unwrap(), [".hotelIds[1]=\"2\""]);
        // In JSON each name is the one that is written.
        assert_eq!(texts(".hotel_ids[1]").unwrap_err(), ".hotel_ids is missing");
        assert_eq!(texts(".rooms[*].price").unwrap(), [".rooms[0].price=1", ".rooms[1].price=2"]);
        assert_eq!(texts(".").unwrap().len(), 1);
        assert_eq!(texts(".rooms[2]").unwrap_err(), ".rooms[2] is missing");
        assert_eq!(texts(".hotelIds.x").unwrap_err(), ".hotelIds.x is missing");
        let value = json!({"labels": {"k.1": 1, "a]\"b": {"x": 2}}});
        let texts = |path: &str| -> Result<Vec<String>, String> {
            Ok(Path::parse(path)?.find(&value)?.into_iter().map(|(p, v)| format!("{p}={v}")).collect())
        };
        for path in [r#".labels["k.1"]"#, ".labels['k.1']"] {
            assert_eq!(texts(path).unwrap(), [r#".labels["k.1"]=1"#]);
        }
        assert_eq!(texts(r#".labels["a]\"b"].x"#).unwrap(), [r#".labels["a]\"b"].x=2"#]);
        assert_eq!(texts(r#".["labels"]["x.y"]"#).unwrap_err(), r#".labels["x.y"] is missing"#);
        for wrong in [".a[\"b]", ".a[\"b\"", ".a['b'", "", "a", "..a", ".a.", ".a[", ".a[x]", ".a[0]."] {
            assert!(texts(wrong).unwrap_err().contains("is not a path"), "{wrong}");
        }
    }

    #[test]
    fn a_place_is_covered_by_the_path_that_leads_to_it() {
        let place = [Step::Key("roomList".into()), Step::At(3), Step::Key("id".into())];
        assert!(Path::parse(".roomList[*].id").unwrap().covers(&place));
        assert!(!Path::parse(".room_list[*].id").unwrap().covers(&place));
        assert!(Path::parse(".roomList[3].id").unwrap().covers(&place));
        assert!(!Path::parse(".roomList[2].id").unwrap().covers(&place));
        assert_eq!(shown(&place), ".roomList[3].id");
    }
}
