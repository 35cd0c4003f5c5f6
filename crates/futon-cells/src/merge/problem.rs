//! What speaks against a merge, each with the functions and the runs it is about.

use std::fmt;
use std::path::PathBuf;

use futon_model::{Code, Outcome};
use serde::Serialize;

use crate::Shard;

/// Names that a message lists; the rest is counted.
const SHOWN: usize = 5;

/// A run among those that are merged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Its folder.
    pub folder: PathBuf,
    /// Its shard, if that can be read.
    pub shard: Option<Shard>,
}

/// An input that two runs do not share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// The input's name.
    pub input: String,
    /// Its value for the first of the functions; absent: it does not exist there.
    pub here: Option<String>,
    /// The same in the other run.
    pub there: Option<String>,
}

/// A verdict, as far as two runs of the same cell must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Said {
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub code: Code,
}

/// Something that speaks against a merge.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// A report without `suite.json`: from an older futon, or another command.
    Old {
        /// Where.
        at: Place,
    },
    /// A file that cannot be read.
    Unreadable {
        /// Where.
        at: Place,
        /// Why.
        why: String,
    },
    /// A run that did not end, or ends still.
    NotEnded {
        /// Where.
        at: Place,
    },
    /// Two runs of different suites.
    Suites {
        /// One.
        at: Place,
        /// The other.
        other: Place,
        /// What differs.
        why: String,
    },
    /// Two runs in which the same functions have different inputs.
    Inputs {
        /// The functions.
        functions: Vec<String>,
        /// One run.
        at: Place,
        /// The other one; the same if `report.json` and `suite.json` disagree.
        other: Place,
        /// What differs.
        inputs: Vec<Difference>,
    },
    /// A shard of which there is no run.
    MissingShard {
        /// The shard.
        shard: Shard,
        /// Its functions.
        functions: Vec<String>,
    },
    /// Functions that have no result.
    Gap {
        /// The functions.
        functions: Vec<String>,
        /// The run that should have them; absent: by their weights, no shard had them.
        at: Option<Place>,
    },
    /// Results that are not what the run wrote.
    Altered {
        /// The functions.
        functions: Vec<String>,
        /// Where.
        at: Place,
    },
    /// Cells whose digest is not that of their inputs.
    Edited {
        /// The functions.
        functions: Vec<String>,
        /// Where.
        at: Place,
    },
    /// Functions that passed, and nobody knows what shaped the result.
    NoCell {
        /// The functions.
        functions: Vec<String>,
        /// Where.
        at: Place,
    },
    /// Results that do not belong there: of other shards or suites, or a second one of the same function.
    Stray {
        /// The functions.
        functions: Vec<String>,
        /// Where.
        at: Place,
    },
    /// Two results of the same cell with different verdicts.
    Verdicts {
        /// The function.
        function: String,
        /// One run.
        at: Place,
        /// Its verdict.
        here: Said,
        /// The other run.
        other: Place,
        /// Its verdict.
        there: Said,
    },
}

impl Problem {
    /// The shard whose results this leaves unknown.
    pub(super) fn shard(&self) -> Option<Shard> {
        match self {
            Self::Old { at } | Self::Unreadable { at, .. } | Self::NotEnded { at } => at.shard,
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard {
            Some(shard) if shard != Shard::WHOLE => write!(f, "shard {shard} ({})", self.folder.display()),
            _ => write!(f, "{}", self.folder.display()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: &Option<String>| match value {
            Some(value) if value.chars().count() > 24 => value.chars().take(24).chain(['…']).collect(),
            Some(value) => value.clone(),
            None => "nothing".to_owned(),
        };
        write!(f, "{}: {} and {}", self.input, short(&self.here), short(&self.there))
    }
}

/// The first names, and how many more there are.
fn names(all: &[String]) -> String {
    let first = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old { at } => write!(
                f,
                "{at}: there is no suite.json beside report.json: an older futon wrote it, or another command than `futon test`"
            ),
            Self::Unreadable { at, why } => write!(f, "{at}: {why}"),
            Self::NotEnded { at } => write!(f, "{at}: the run did not end: it has no report"),
            Self::Suites { at, other, why } => write!(f, "{at} and {other} are of different suites: {why}"),
            Self::Inputs { functions, at, other, inputs } => {
                let list = inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                if at == other {
                    write!(f, "{}: inputs changed during the run in {at}: {list}", names(functions))
                } else {
                    write!(f, "{}: inputs differ between {at} and {other}: {list}", names(functions))
                }
            }
            Self::MissingShard { shard, functions } => {
                write!(f, "shard {shard} is missing: no result of {}", names(functions))
            }
            Self::Gap { functions, at: Some(at) } => write!(f, "{}: no result in {at}", names(functions)),
            Self::Gap { functions, at: None } => {
                write!(f, "{}: no shard ran it: the shards were made with different weights", names(functions))
            }
            Self::Altered { functions, at } => {
                write!(f, "{}: the result in {at} is not the one that the run wrote", names(functions))
            }
            Self::Edited { functions, at } => {
                write!(f, "{}: the inputs in {at} were edited: their digest is another", names(functions))
            }
            Self::NoCell { functions, at } => {
                write!(f, "{}: {at} does not say what the result depends on (it has no cell)", names(functions))
            }
            Self::Stray { functions, at } => {
                write!(f, "{}: this result does not belong into {at}, or is there twice", names(functions))
            }
            Self::Verdicts { function, at, here, other, there } => write!(
                f,
                "{function}: the same inputs, and two verdicts: {} ({}) in {at}, {} ({}) in {other}",
                here.outcome.word(),
                here.code.word(),
                there.outcome.word(),
                there.code.word()
            ),
        }
    }
}
