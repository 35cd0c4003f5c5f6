//! Core models, and which of their figures mean something.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A core model of gem5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreModel {
    /// Executes an instruction a cycle: right in what it does, of no meaning in how long it takes.
    Atomic,
    /// The host's processor: no cycles are simulated.
    Kvm,
    /// In order, one instruction at a time, with a timed memory system. Its cycle count includes idle ones.
    Timing,
    /// Out of order. Its cycle count leaves quiesced cycles out.
    O3,
}

impl CoreModel {
    /// The word for it on the command line and in rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Atomic => "atomic",
            Self::Kvm => "kvm",
            Self::Timing => "timing",
            Self::O3 => "o3",
        }
    }

    /// Whether cycles are modelled, so that CPI is a result.
    #[must_use]
    pub fn has_cycles(self) -> bool {
        matches!(self, Self::Timing | Self::O3)
    }
}

impl fmt::Display for CoreModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for CoreModel {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Atomic, Self::Kvm, Self::Timing, Self::O3]
            .into_iter()
            .find(|m| m.word() == word)
            .ok_or_else(|| format!("there is no core model {word:?}; the models are atomic, timing, o3"))
    }
}
