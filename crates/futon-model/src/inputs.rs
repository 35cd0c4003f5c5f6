//! How the test client makes the inputs of its calls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the values that are sent are made (`-genType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GenType {
    /// The same value every time.
    #[default]
    Unique,
    /// Counting up.
    Linear,
    /// Random, from `-seed`.
    Random,
}

impl GenType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unique, Self::Linear, Self::Random];

    /// As it is written on command lines and in settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Linear => "linear",
            Self::Random => "random",
        }
    }
}

impl fmt::Display for GenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for GenType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.word() == text);
        found.ok_or_else(|| {
            format!("unknown kind of input {text:?}; there are {}", Self::ALL.map(Self::word).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_everywhere() {
        for kind in GenType::ALL {
            assert_eq!(kind.word().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
        assert!("Unique".parse::<GenType>().unwrap_err().contains("unique, linear, random"));
    }
}
