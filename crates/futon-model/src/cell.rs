//! One function on one machine with one set of parameters and one seed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One function on one machine with one set of parameters and one seed: everything that shapes its result, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// 64 hex digits, of the inputs.
    pub digest: String,
    /// Values by name.
    pub inputs: BTreeMap<String, String>,
}

impl Cell {
    /// The cell of these inputs.
    #[must_use]
    pub fn of(inputs: BTreeMap<String, String>) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in &inputs {
            hash.update(format!("{}:{name}{}:{value}", name.len(), value.len()));
        }
        Self { digest: hash.finalize().iter().map(|b| format!("{b:02x}")).collect(), inputs }
    }

    /// Names of inputs that differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> = self.inputs.keys().chain(other.inputs.keys()).collect();
        names.into_iter().filter(|n| self.inputs.get(*n) != other.inputs.get(*n)).cloned().collect()
    }
}
