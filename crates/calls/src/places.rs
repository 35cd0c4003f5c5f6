//! Where keys stand in a YAML file, for messages.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser};

/// Line and column, from 1, of each node by its path: `calls[0].data.lat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places(BTreeMap<String, (usize, usize)>);

enum Level {
    List(usize),
    Map { key: String, wants_key: bool },
}

impl Places {
    /// Finds them in a file's text. What comes after a mistake in the YAML is not found.
    pub(crate) fn find(text: &str) -> Self {
        let mut found = BTreeMap::new();
        let mut open: Vec<Level> = Vec::new();
        for next in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
            let Ok((event, span)) = next else { break };
            let place = (span.start.line(), span.start.col() + 1);
            match event {
                Event::DocumentStart(..) => open.clear(),
                Event::Scalar(text, ..) => {
                    if let Some(Level::Map { key, wants_key: true }) = open.last_mut() {
                        *key = text.into_owned();
                        found.insert(path(&open), place);
                    } else if matches!(open.last(), Some(Level::List(_))) {
                        found.insert(path(&open), place);
                    }
                    next_of(&mut open);
                }
                Event::Alias(_) => next_of(&mut open),
                Event::SequenceStart(..) => {
                    note_element(&open, &mut found, place);
                    open.push(Level::List(0));
                }
                Event::MappingStart(..) => {
                    note_element(&open, &mut found, place);
                    open.push(Level::Map { key: String::new(), wants_key: true });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    next_of(&mut open);
                }
                _ => {}
            }
        }
        Self(found)
    }

    /// The place of a path, or of the nearest one above it.
    pub(crate) fn nearest(&self, path: &str) -> Option<(usize, usize)> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(*place);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

fn note_element(open: &[Level], found: &mut BTreeMap<String, (usize, usize)>, place: (usize, usize)) {
    if matches!(open.last(), Some(Level::List(_))) {
        found.insert(path(open), place);
    }
}

fn path(open: &[Level]) -> String {
    let mut text = String::new();
    for level in open {
        match level {
            Level::List(at) => text.push_str(&format!("[{at}]")),
            Level::Map { key, .. } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
        }
    }
    text
}

/// A whole node was read: in a map, key and value take turns; a list goes on.
fn next_of(open: &mut [Level]) {
    match open.last_mut() {
        Some(Level::Map { wants_key, .. }) => *wants_key = !*wants_key,
        Some(Level::List(at)) => *at += 1,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_elements_have_places() {
        let places = Places::find("calls:\n  - call: a.B/C\n    data: {x: 1, list: [1, {y: 2}]}\n  - http: GET /\n");
        assert_eq!(places.nearest("calls[0].data.x"), Some((3, 12)));
        assert_eq!(places.nearest("calls[0].data.list[1].y"), Some((3, 29)));
        assert_eq!(places.nearest("calls[1]"), Some((4, 5)));
        assert_eq!(places.nearest("calls[1].expect.status"), Some((4, 5)), "the nearest above");
        assert_eq!(places.nearest("ready"), None);
    }
}
