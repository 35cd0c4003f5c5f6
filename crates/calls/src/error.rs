//! What can be wrong with a declaration, and where it stands.

use std::path::PathBuf;

use thiserror::Error;

use crate::places::Places;

/// The file that a declaration stands in.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Its name, for messages.
    pub name: String,
    /// What goes before the declaration's own keys in that file: `services.geo.x-futon`.
    pub prefix: String,
    /// That file's text: where something stands is looked up only when it is wrong.
    pub(crate) text: String,
}

impl Source {
    /// A file by its name; places come with its text.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A declaration inside another file: its keys begin with `prefix`, as in `services.geo.x-futon`.
    #[must_use]
    pub fn inside(name: impl Into<String>, text: &str, prefix: impl Into<String>) -> Self {
        Self { name: name.into(), prefix: prefix.into(), text: text.to_owned() }
    }

    /// `FILE:LINE:COLUMN` of a path in the declaration, as far as it is known.
    #[must_use]
    pub fn place(&self, path: &str) -> String {
        let whole =
            [self.prefix.as_str(), path].iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(".");
        match Places::find(&self.text).nearest(&whole) {
            Some((line, column)) => format!("{}:{line}:{column}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A declaration that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallsError {
    /// A file that cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A key or value that is wrong.
    #[error("{place}: {}{why}", if .path.is_empty() { String::new() } else { format!("`{path}`: ") })]
    Wrong {
        /// File, line and column.
        place: String,
        /// The key's path.
        path: String,
        /// What is wrong.
        why: String,
        /// What may help.
        hint: Option<String>,
    },
    /// A schema that cannot be read.
    #[error("{0}")]
    Schema(String),
}

impl CallsError {
    /// What may help.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Wrong { hint, .. } => hint.as_deref(),
            Self::Unreadable { .. } => Some("relative paths start at the folder of the file that contains them"),
            Self::Schema(_) => None,
        }
    }
}

/// A complaint without its place: the path is completed on the way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) path: String,
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
}

impl Complaint {
    pub(crate) fn new(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self { path: path.into(), why: why.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same below a key.
    pub(crate) fn below(mut self, key: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => key.to_owned(),
            path if path.starts_with('[') => format!("{key}{path}"),
            path => format!("{key}.{path}"),
        };
        self
    }

    pub(crate) fn at(self, source: &Source) -> CallsError {
        CallsError::Wrong { place: source.place(&self.path), path: self.path, why: self.why, hint: self.hint }
    }
}

/// `did you mean X?`, where one of the names is near.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| strsim::damerau_levenshtein(&name.to_lowercase(), &wanted.to_lowercase());
    names
        .map(|name| (near(&name), name))
        .min()
        .filter(|(edits, _)| *edits <= 1 + wanted.len() / 4)
        .map(|(_, name)| name)
}
