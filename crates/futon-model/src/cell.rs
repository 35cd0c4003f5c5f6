//! What shapes a run's result: the name under which the result can be kept, found again and compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One function on one machine with one set of parameters and one seed.
///
/// It holds neither a path of this machine nor a time, and nothing of the host but the programs that a simulator's figures depend on: the
/// same cell on another machine is the same experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cell {
    /// SHA-256 of the inputs, hexadecimal.
    pub digest: String,
    /// Everything that shapes the result, by name: `sha256:` and a digest, or the value itself.
    pub inputs: BTreeMap<String, String>,
}

impl Cell {
    /// The cell with these inputs.
    #[must_use]
    pub fn of(inputs: BTreeMap<String, String>) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in &inputs {
            for text in [name, value] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        Self { digest: hex::encode(hash.finalize()), inputs }
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.digest.get(..12).unwrap_or(&self.digest)
    }

    /// Names of the inputs that two cells do not share.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names = self.inputs.keys().chain(other.inputs.keys().filter(|name| !self.inputs.contains_key(*name)));
        names.filter(|name| self.inputs.get(*name) != other.inputs.get(*name)).cloned().collect()
    }

    /// Whether the digest is that of the inputs: a report may have been edited.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        Self::of(self.inputs.clone()).digest == self.digest
    }
}

/// An input's value for people: of a digest the beginning, which is enough to compare; anything else as it is.
#[must_use]
pub fn beginning(value: &str) -> &str {
    const SHOWN: usize = "sha256:".len() + 12;
    match value.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 => value.get(..SHOWN).unwrap_or(value),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(inputs: &[(&str, &str)]) -> Cell {
        Cell::of(inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_digest_is_of_names_and_values() {
        let one = cell(&[("kernel", "a"), ("seed", "1")]);
        assert_eq!(one, cell(&[("seed", "1"), ("kernel", "a")]));
        assert_eq!((one.digest.len(), one.short().len()), (64, 12));
        // Where one text ends and the next begins counts.
        for other in [&[("kernel", "a"), ("seed", "2")][..], &[("kernela", ""), ("seed", "1")], &[("kernel", "a")]] {
            assert_ne!(one.digest, cell(other).digest);
        }
    }

    #[test]
    fn only_digests_are_cut() {
        assert_eq!(beginning(&format!("sha256:{}", "ab".repeat(32))), "sha256:abababababab");
        for whole in ["sha256:ab", "isolated", "", "a text that is longer than the beginning of a digest"] {
            assert_eq!(beginning(whole), whole);
        }
    }

    #[test]
    fn differences_are_named_and_a_changed_cell_is_found() {
        let (one, other) =
            (cell(&[("kernel", "a"), ("seed", "1")]), cell(&[("kernel", "b"), ("seed", "1"), ("x", "")]));
        assert_eq!(one.differences(&other), ["kernel", "x"]);
        let mut edited = one.clone();
        assert!(edited.is_whole());
        edited.inputs.insert("kernel".into(), "b".into());
        assert!(!edited.is_whole());
    }
}
