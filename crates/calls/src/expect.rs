//! What a user says of a right reply.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::scalar::{Scalar, present};

/// What is right. All keys must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The status: OK, or 2xx, where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusRule>,
    /// The reply in JSON.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub equals: Option<Value>,
    /// `equals` names only what matters.
    pub partial: bool,
    /// Lists in any order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unordered: Option<Unordered>,
    /// How far numbers may differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// Paths that are not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Regular expressions by path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub matches: BTreeMap<String, String>,
    /// The whole text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Headers, or leading metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Scalar>,
    /// Trailing metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trailers: BTreeMap<String, Scalar>,
    /// Number of messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// For each message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<Box<Self>>,
    /// Expressions that must be true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cel: Vec<String>,
    /// A built-in verifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracle: Option<String>,
    /// The function's input for the verifier, instead of the request's text: any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oracle_inputs: Vec<String>,
    /// A kept reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// A status, or several, with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StatusRule {
    /// `NOT_FOUND`, `2xx`, 404.
    One(Scalar),
    /// Any of these.
    Any(Vec<Scalar>),
    /// With the message.
    Full(FullStatus),
}

/// A status with its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullStatus {
    /// The code.
    pub code: Scalar,
    /// Text, or `/regex/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Which lists may be in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Unordered {
    /// All, or none.
    All(bool),
    /// Those at these paths.
    Paths(Vec<String>),
}

impl StatusRule {
    /// The codes as written.
    pub(crate) fn codes(&self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one.text()],
            Self::Any(list) => list.iter().map(Scalar::text).collect(),
            Self::Full(full) => vec![full.code.text()],
        }
    }

    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Full(full) => full.message.as_deref(),
            Self::One(_) | Self::Any(_) => None,
        }
    }
}

impl Expect {
    /// Whether nothing at all is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the reply's messages are compared, not only its status and headers.
    pub(crate) fn looks_at_messages(&self) -> bool {
        self.equals.is_some()
            || !self.matches.is_empty()
            || self.text.is_some()
            || self.count.is_some()
            || self.each.is_some()
            || self.oracle.is_some()
            || self.snapshot.is_some()
    }

    /// Whether it looks at the header `date`.
    pub(crate) fn sees_date(&self) -> bool {
        let named = |map: &BTreeMap<String, Scalar>| map.keys().any(|name| name.eq_ignore_ascii_case("date"));
        let each = self.each.as_ref().map_or(&[][..], |each| &each.cel);
        named(&self.headers) || named(&self.trailers) || self.cel.iter().chain(each).any(|text| text.contains("date"))
    }
}
