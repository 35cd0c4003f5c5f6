//! Where services and their keys stand in a file: for messages, as well as can be told from that one file.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser};

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// Places of `services.NAME` and `services.NAME.KEY`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    services: BTreeMap<String, Place>,
    keys: BTreeMap<(String, String), Place>,
}

/// Keys of maps on the way to a service's key.
const DEPTH: usize = 3;

impl Places {
    /// Finds them in a file's text. What comes after a mistake in the YAML is not found.
    #[must_use]
    pub fn find(text: &str) -> Self {
        let mut found = Self::default();
        // For each open collection: a map's current key, and whether a key is next.
        let mut open: Vec<Level> = Vec::new();
        for next in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
            let Ok((event, span)) = next else { break };
            match event {
                Event::DocumentStart(..) => open.clear(),
                Event::Scalar(text, ..) => {
                    if let Some(Level::Map { key, wants_key: true }) = open.last_mut() {
                        *key = text.into_owned();
                        let place = Place { line: span.start.line(), column: span.start.col() + 1 };
                        found.note(&open, place);
                    }
                    next_of(&mut open);
                }
                Event::Alias(_) => next_of(&mut open),
                Event::SequenceStart(..) => open.push(Level::List),
                Event::MappingStart(..) => open.push(Level::Map { key: String::new(), wants_key: true }),
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    next_of(&mut open);
                }
                _ => {}
            }
        }
        found
    }

    /// The place of a service's key; that of the service where the key is not in the file.
    #[must_use]
    pub fn of(&self, service: &str, key: Option<&str>) -> Option<Place> {
        let exact = key.and_then(|key| self.keys.get(&(service.to_owned(), key.to_owned())));
        exact.or_else(|| self.services.get(service)).copied()
    }

    /// The place that a message speaks of, where it names `services.NAME.KEY` or `service "NAME"`.
    #[must_use]
    pub fn named_in(&self, words: &str) -> Option<Place> {
        let after = |mark: &str| words.split_once(mark).map(|(_, rest)| rest);
        if let Some(rest) = after("services.") {
            let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let path = &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())];
            // A service's name may have dots itself.
            let cuts = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
            let mut best = None;
            for cut in cuts {
                let key = path[cut..].trim_start_matches('.').split('.').next().filter(|k| !k.is_empty());
                best = self.of(&path[..cut], key).or(best);
            }
            return best;
        }
        let rest = after("service \"")?;
        self.of(rest.split('"').next()?, None)
    }

    fn note(&mut self, open: &[Level], place: Place) {
        let mut path = Vec::with_capacity(DEPTH);
        for level in open {
            match level {
                Level::Map { key, .. } if path.len() < DEPTH => path.push(key.as_str()),
                _ => return,
            }
        }
        match path[..] {
            ["services", service] => _ = self.services.insert(service.to_owned(), place),
            ["services", service, key] => _ = self.keys.insert((service.to_owned(), key.to_owned()), place),
            _ => {}
        }
    }
}

#[derive(Debug)]
enum Level {
    List,
    Map { key: String, wants_key: bool },
}

/// A whole node was read: in a map, key and value take turns.
fn next_of(open: &mut [Level]) {
    if let Some(Level::Map { wants_key, .. }) = open.last_mut() {
        *wants_key = !*wants_key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_keys_have_lines() {
        let text = "x-a: &a\n  image: q\nservices:\n  one:\n    <<: *a\n    ports: [1, {a: b}]\n    image: x\n  two.b: {image: y}\n";
        let places = Places::find(text);
        let line = |service, key| places.of(service, key).map(|p| p.line);
        assert_eq!(line("one", None), Some(4));
        assert_eq!(line("one", Some("image")), Some(7));
        assert_eq!(line("one", Some("user")), Some(4));
        assert_eq!(line("two.b", Some("image")), Some(8));
        assert_eq!(line("three", None), None);
        let named = |words| places.named_in(words).map(|p| p.line);
        assert_eq!(named("services.one.ports must be a list"), Some(6));
        assert_eq!(named("services.two.b.image must be a string"), Some(8));
        assert_eq!(named("service \"one\" depends on undefined service"), Some(4));
        assert_eq!(named("yaml: bad"), None);
    }

    #[test]
    fn broken_files_give_what_comes_before() {
        let places = Places::find("services:\n  one:\n    image: [x\n  two: {}}\n");
        assert_eq!(places.of("one", None).map(|p| p.line), Some(2));
        assert_eq!(Places::find("\u{0}\t- :"), Places::default());
    }
}
