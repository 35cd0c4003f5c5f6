//! What of a machine shapes a run's result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The machine's part of a cell ([`futon_model::Cell`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineInputs {
    /// Values, by name.
    pub values: BTreeMap<String, String>,
    /// Files whose content counts, by name.
    pub files: BTreeMap<String, PathBuf>,
}

impl MachineInputs {
    /// The same with one more value.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// The same with one more file, if there is one.
    #[must_use]
    pub fn file<'a>(mut self, name: &str, path: impl Into<Option<&'a Path>>) -> Self {
        if let Some(path) = path.into() {
            self.files.insert(name.to_owned(), path.to_owned());
        }
        self
    }
}
