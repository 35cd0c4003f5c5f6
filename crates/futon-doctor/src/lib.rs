//! `futon doctor`: what a host has, what a base image has, what is missing, and how to get it.
#![warn(missing_docs)]

mod base;
mod gem5;
mod host;

use serde::Serialize;

pub use base::{BaseImage, base_image};
pub use gem5::gem5;
pub use host::{Host, qemu};

/// One requirement.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is required.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// What was found, or how to get it.
    pub detail: String,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// It is there.
    Ok,
    /// It is not there, and needed.
    Missing,
    /// Works without it, but less well.
    Note,
}

impl State {
    /// The word for it, for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Note => "note",
        }
    }
}

fn ok(name: &str, detail: impl Into<String>) -> Finding {
    Finding { name: name.into(), state: State::Ok, detail: detail.into() }
}

fn missing(name: &str, detail: impl Into<String>) -> Finding {
    Finding { name: name.into(), state: State::Missing, detail: detail.into() }
}

fn note(name: &str, detail: impl Into<String>) -> Finding {
    Finding { name: name.into(), state: State::Note, detail: detail.into() }
}
