//! `--on`: the machine to run on.

use std::ffi::OsStr;
use std::fmt;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command};
use serde::{Deserialize, Serialize};

/// A machine to run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// QEMU
    Qemu,
    /// gem5
    Gem5,
    /// The fake machine with a scenario, for futon's own tests.
    Fake(String),
}

/// futon's own tests set this: the fake machine executes nothing, and its events prove nothing.
const FAKE: (&str, &str) = ("FUTON_TEST_FAKE_MACHINE", "proves nothing");

/// Whether the fake machine may be used.
pub fn fake_is_allowed() -> bool {
    std::env::var(FAKE.0).is_ok_and(|value| value == FAKE.1)
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qemu => f.write_str("qemu"),
            Self::Gem5 => f.write_str("gem5"),
            Self::Fake(scenario) => write!(f, "fake:{scenario}"),
        }
    }
}

/// Reads `--on`.
#[derive(Debug, Clone)]
pub struct OnParser;

impl TypedValueParser for OnParser {
    type Value = On;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<On, clap::Error> {
        let text = value.to_str().unwrap_or_default();
        if fake_is_allowed()
            && let Some(rest) = text.strip_prefix("fake")
            && let Some(scenario) = if rest.is_empty() { Some("pass") } else { rest.strip_prefix(':') }
        {
            return Ok(On::Fake(scenario.to_owned()));
        }
        let name = names().parse_ref(command, arg, value)?;
        Ok(if name == "gem5" { On::Gem5 } else { On::Qemu })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = clap::builder::PossibleValue> + '_>> {
        Some(Box::new(names().possible_values()?.collect::<Vec<_>>().into_iter()))
    }
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(["qemu", "gem5"])
}
