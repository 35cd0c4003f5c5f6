//! Keys of a service that the lean guest refuses by name.

/// A key that the lean guest cannot have as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedKey {
    /// The key.
    pub key: String,
    /// Why.
    pub why: String,
}

pub(super) fn refuse(key: &str, why: impl Into<String>) -> RefusedKey {
    RefusedKey { key: key.to_owned(), why: why.into() }
}
