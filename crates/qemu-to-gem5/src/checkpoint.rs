//! gem5's `m5.cpt`: sections of `key=value`, order kept, header kept (`src/sim/serialize.cc`, `src/base/inifile.cc`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::TransferError;

/// Where the memory's file is named.
const STORE: &str = "system.physmem.store0";

/// A checkpoint's text, cut into sections and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    head: Vec<String>,
    sections: Vec<Section>,
    /// A section's place, by name.
    index: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    name: String,
    keys: Vec<(String, String)>,
}

impl Checkpoint {
    /// Reads the text of an `m5.cpt`.
    ///
    /// # Errors
    /// [`TransferError::Template`] for lines that are neither a section nor a key, and for names that are there twice.
    pub fn parse(text: &str) -> Result<Self, TransferError> {
        let wrong = |number: usize, why: &str| TransferError::Template { why: format!("line {}: {why}", number + 1) };
        let mut out = Self { head: Vec::new(), sections: Vec::new(), index: BTreeMap::new() };
        let mut keys = BTreeSet::new();
        for (number, line) in text.split_terminator('\n').enumerate() {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                if out.index.insert(name.to_owned(), out.sections.len()).is_some() {
                    return Err(wrong(number, &format!("section {name} is there twice")));
                }
                out.sections.push(Section { name: name.to_owned(), keys: Vec::new() });
                keys.clear();
                continue;
            }
            if line.is_empty() {
                continue;
            }
            let Some(section) = out.sections.last_mut() else {
                out.head.push(line.to_owned());
                continue;
            };
            let Some((key, value)) = line.split_once('=') else { return Err(wrong(number, "no `key=value`")) };
            if !keys.insert(key) {
                return Err(wrong(number, &format!("{}:{key} is there twice", section.name)));
            }
            section.keys.push((key.to_owned(), value.to_owned()));
        }
        if out.sections.is_empty() {
            return Err(TransferError::Template { why: "no section: this is no checkpoint".into() });
        }
        Ok(out)
    }

    /// The text that gem5 reads; what [`Checkpoint::parse`] read comes out as it was.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for line in &self.head {
            out.push_str(line);
            out.push('\n');
        }
        for section in &self.sections {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "\n[{}]", section.name);
            for (key, value) in &section.keys {
                let _ = writeln!(out, "{key}={value}");
            }
        }
        out
    }

    /// The name of the memory's file, beside `m5.cpt`.
    ///
    /// # Errors
    /// [`TransferError::Template`] when the checkpoint names none, or one in another folder.
    pub fn memory_file(&self) -> Result<&str, TransferError> {
        let name = self.get(STORE, "filename")?;
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(TransferError::Template { why: format!("{STORE}:filename={name} is no file beside m5.cpt") });
        }
        Ok(name)
    }

    pub(crate) fn has(&self, section: &str) -> bool {
        self.index.contains_key(section)
    }

    fn section(&self, name: &str) -> Result<&Section, TransferError> {
        let found = self.index.get(name).and_then(|at| self.sections.get(*at));
        found.ok_or_else(|| TransferError::Template { why: format!("it has no section {name}") })
    }

    fn section_mut(&mut self, name: &str) -> Result<&mut Section, TransferError> {
        let found = self.index.get(name).and_then(|at| self.sections.get_mut(*at));
        found.ok_or_else(|| TransferError::Template { why: format!("it has no section {name}") })
    }

    pub(crate) fn get(&self, section: &str, key: &str) -> Result<&str, TransferError> {
        let found = self.section(section)?.keys.iter().find(|(k, _)| k == key);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| lacks(section, key))
    }

    /// A key's numbers, separated by spaces.
    pub(crate) fn numbers(&self, section: &str, key: &str) -> Result<Vec<u64>, TransferError> {
        let numbers = self.get(section, key)?.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        numbers.map_err(|_| TransferError::Template { why: format!("{section}:{key} holds no numbers") })
    }

    /// Replaces a value; a key that is not there is not added.
    pub(crate) fn put(&mut self, section: &str, key: &str, value: &impl ToString) -> Result<(), TransferError> {
        let found = self.section_mut(section)?.keys.iter_mut().find(|(k, _)| k == key);
        found.ok_or_else(|| lacks(section, key))?.1 = value.to_string();
        Ok(())
    }

    pub(crate) fn put_all<T: ToString>(&mut self, section: &str, key: &str, values: &[T]) -> Result<(), TransferError> {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        self.put(section, key, &values.join(" "))
    }

    /// The section's keys with an ending.
    pub(crate) fn keys_ending(&self, section: &str, ending: &str) -> Result<Vec<String>, TransferError> {
        let keys = &self.section(section)?.keys;
        let found: Vec<String> = keys.iter().map(|(k, _)| k).filter(|k| k.ends_with(ending)).cloned().collect();
        if found.is_empty() { Err(lacks(section, ending)) } else { Ok(found) }
    }

    pub(crate) fn remove_sections(&mut self, prefix: &str) {
        self.sections.retain(|section| !section.name.starts_with(prefix));
        self.index = self.sections.iter().enumerate().map(|(at, section)| (section.name.clone(), at)).collect();
    }
}

fn lacks(section: &str, key: &str) -> TransferError {
    TransferError::Template { why: format!("it has no key {section}:{key}") }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
