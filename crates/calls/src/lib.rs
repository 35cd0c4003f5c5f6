//! Calls of a function, declared: what to send, and what a right reply is.
//!
//! [`Declaration`] is what a user writes. [`Sheet`] is that, resolved: schema read, oracles and snapshots found, the order of calls fixed.
//! [`Sheet::encode`] gives the bytes for a client that only sends ([`wire::CallList`]); [`Sheet::judge`] takes what came back
//! ([`wire::ReplyList`]) and says of each call whether it is right. The expected reply never leaves the judge.
#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod answer;
mod around;
mod body;
mod built_in;
mod check;
mod compare;
mod declare;
mod encode;
mod error;
mod example;
mod expect;
mod http;
mod judge;
mod load;
mod looks;
mod path;
mod places;
mod read;
pub mod reflection;
mod rules;
mod scalar;
mod schema;
mod sheet;
mod status;
mod template;
pub mod text;
mod turns;
mod unique;
mod verdict;
mod walk;
pub mod wire;

pub use around::log_regex;
pub use built_in::{built_in, built_in_schema};
pub use declare::{
    Call, Check, Cloud, Declaration, EventMode, ExpectFailure, Health, Level, Preset, Ready, SchemaSource, Times, Tls,
};
pub use error::{CallsError, Source};
pub use example::Method;
pub use expect::{Expect, StatusRule, Unordered};
pub use load::{Counted, LoadReplies};
pub use oracles as oracle;
pub use schema::Schema;
pub use sheet::{Member, Options, Sheet};
pub use status::Code;
pub use unique::unique_json;
pub use verdict::{CallKind, Judged, Reason, Verdict};
