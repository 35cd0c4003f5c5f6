//! The inputs of a warm base: when one of them changes, a new warm base is made.

use std::collections::BTreeMap;

use futon_common::sha256_bytes;
use serde::{Deserialize, Serialize};

/// Before an image's name in the names of parts.
pub(super) const IMAGE: &str = "image ";

/// Everything that shapes a warm base's state, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmKey {
    pub(super) parts: BTreeMap<String, String>,
}

impl WarmKey {
    /// Short name of the key, 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let text: Vec<String> = self.parts.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
        sha256_bytes(text.concat())[..16].to_owned()
    }

    /// Images that it has pulled, as the user writes them.
    #[must_use]
    pub fn images(&self) -> Vec<String> {
        self.parts.keys().filter_map(|name| name.strip_prefix(IMAGE)).map(ToOwned::to_owned).collect()
    }

    /// Names of the parts in which two keys differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names = self.parts.keys().chain(other.parts.keys().filter(|name| !self.parts.contains_key(*name)));
        names.filter(|name| self.parts.get(*name) != other.parts.get(*name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[(&str, &str)]) -> WarmKey {
        WarmKey { parts: parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
    }

    #[test]
    fn differences_are_named_and_change_the_id() {
        let (old, new) =
            (key(&[("kernel", "a"), ("QEMU", "7")]), key(&[("kernel", "b"), ("QEMU", "7"), ("initrd", "c")]));
        assert_eq!(new.differences(&old), ["initrd", "kernel"]);
        assert_ne!(old.id(), new.id());
        assert_eq!(old.id(), old.clone().id());
        assert_eq!(old.id().len(), 16);
    }

    #[test]
    fn another_digest_is_another_base() {
        let (old, new) = (key(&[("image me/a:1", "sha256:1")]), key(&[("image me/a:1", "sha256:2"), ("image b", "")]));
        assert_eq!(new.differences(&old), ["image b", "image me/a:1"]);
        assert_eq!(new.images(), ["b", "me/a:1"]);
    }
}
