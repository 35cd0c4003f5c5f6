//! Reads a TOML document so that each error has its line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use futon_common::{Error, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::parts::{Functions, Resources, SlurmSpec};
use super::value::{nearest, range, scalar};

/// The largest number of seeds: more are a mistake.
const MOST_SEEDS: u64 = 100_000;

/// A file's name and text.
pub(super) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// A key and its value.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub key: &'a Spanned<Cow<'a, str>>,
    pub value: &'a Spanned<DeValue<'a>>,
}

impl Source<'_> {
    /// The line of a place, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
    }

    /// An error with its place.
    pub fn wrong(&self, span: Range<usize>, why: &str) -> Error {
        Error::usage(format!("{}:{}: {why}", self.file, self.line(span.start)))
    }

    pub fn malformed(&self, error: &toml::de::Error) -> Error {
        self.wrong(error.span().unwrap_or(0..0), error.message())
    }

    /// A table with these keys alone.
    pub fn table<'t>(&self, table: &'t DeTable<'t>, known: &[&str], what: &str) -> Result<BTreeMap<&'t str, Pair<'t>>> {
        let mut pairs = BTreeMap::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = nearest(name, known.iter().copied())
                    .map_or_else(|| format!("it has {}", known.join(", ")), |near| format!("did you mean {near}?"));
                return Err(self.wrong(key.span(), &format!("{what} has no key {name}")).hint(hint));
            }
            pairs.insert(name, Pair { key, value });
        }
        Ok(pairs)
    }

    fn table_of<'t>(&self, pair: &Pair<'t>, known: &[&str]) -> Result<BTreeMap<&'t str, Pair<'t>>> {
        let name = pair.key.get_ref();
        match pair.value.get_ref() {
            DeValue::Table(table) => self.table(table, known, &format!("[{name}]")),
            _ => Err(self.wrong(pair.value.span(), &format!("{name} must be a table"))),
        }
    }

    /// The tables of `[[NAME]]`.
    pub fn tables<'t>(&self, pair: &Pair<'t>) -> Result<Vec<Pair<'t>>> {
        let name = pair.key.get_ref();
        let DeValue::Array(list) = pair.value.get_ref() else {
            return Err(self.wrong(pair.key.span(), &format!("write it as [[{name}]]")));
        };
        Ok(list.iter().map(|value| Pair { key: pair.key, value }).collect())
    }

    /// A name that can be a folder's.
    pub fn name(&self, pair: &Pair<'_>) -> Result<String> {
        match pair.value.get_ref() {
            DeValue::String(name) if super::value::is_name(name) => Ok(name.clone().into_owned()),
            _ => Err(self
                .wrong(pair.value.span(), "a sweep's name has letters, digits, dots, underscores and hyphens")
                .hint("it is the name of the sweep's folder")),
        }
    }

    /// A whole number.
    pub fn whole<N: TryFrom<u64>>(&self, pair: &Pair<'_>, least: u64, most: u64) -> Result<N> {
        let number = match pair.value.get_ref() {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).ok(),
            _ => None,
        };
        number.filter(|n| (least..=most).contains(n)).and_then(|n| N::try_from(n).ok()).ok_or_else(|| {
            let name = pair.key.get_ref();
            self.wrong(pair.value.span(), &format!("{name} is a whole number from {least} to {most}"))
        })
    }

    pub fn functions(&self, pair: &Pair<'_>) -> Result<Functions> {
        if let DeValue::String(word) = pair.value.get_ref()
            && word == "all"
        {
            return Ok(Functions::All);
        }
        let names = self.values("functions", pair.value)?;
        Ok(Functions::Named(names))
    }

    /// `seeds = 5` is 1 to 5.
    pub fn seeds(&self, pair: &Pair<'_>) -> Result<Vec<String>> {
        match pair.value.get_ref() {
            DeValue::Integer(_) => {
                let count: u64 = self.whole(pair, 1, MOST_SEEDS)?;
                Ok((1..=count).map(|seed| seed.to_string()).collect())
            }
            _ => self.values("seeds", pair.value),
        }
    }

    /// The values of a name: one, a list, or a range. None occurs twice.
    pub fn values(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>> {
        let one = |value: &Spanned<DeValue<'_>>| {
            scalar(value.get_ref()).ok_or_else(|| {
                let kind = value.get_ref().type_str();
                self.wrong(value.span(), &format!("{name}: a text, a number, true or false is wanted, not {kind}"))
            })
        };
        let values = match value.get_ref() {
            DeValue::Array(list) => list.iter().map(one).collect::<Result<Vec<_>>>()?,
            DeValue::Table(table) => range(table).map_err(|why| self.wrong(value.span(), &format!("{name}: {why}")))?,
            _ => vec![one(value)?],
        };
        if values.is_empty() {
            return Err(self.wrong(value.span(), &format!("{name} has no values")));
        }
        let mut sorted: Vec<&String> = values.iter().collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(self.wrong(value.span(), &format!("{name} has {} twice", pair[0]))),
            None => Ok(values),
        }
    }

    pub fn resources(&self, pair: &Pair<'_>) -> Result<Resources> {
        let keys = self.table_of(pair, &["cores", "memory", "time"])?;
        Ok(Resources {
            cores: keys.get("cores").map(|pair| self.whole(pair, 1, 4096)).transpose()?,
            memory_mib: keys.get("memory").map(|pair| self.memory(pair)).transpose()?,
            time: keys.get("time").map(|pair| self.time(pair)).transpose()?,
        })
    }

    pub fn slurm(&self, pair: &Pair<'_>) -> Result<SlurmSpec> {
        let keys = self.table_of(pair, &["at-once", "cells-per-task", "arguments"])?;
        let arguments = match keys.get("arguments") {
            None => Vec::new(),
            Some(pair) => {
                let arguments = self.values("arguments", pair.value)?;
                if let Some(bad) = arguments.iter().find(|argument| !argument.starts_with('-')) {
                    let why = format!("{bad:?} is no option of sbatch");
                    return Err(self.wrong(pair.value.span(), &why).hint("write it as \"--partition=short\""));
                }
                arguments
            }
        };
        Ok(SlurmSpec {
            at_once: keys.get("at-once").map(|pair| self.whole(pair, 1, 100_000)).transpose()?,
            cells_per_task: keys.get("cells-per-task").map(|pair| self.whole(pair, 1, 100_000)).transpose()?,
            arguments,
        })
    }

    fn memory(&self, pair: &Pair<'_>) -> Result<u64> {
        let text = scalar(pair.value.get_ref()).unwrap_or_default();
        super::value::mebibytes(&text).ok_or_else(|| {
            self.wrong(pair.value.span(), &format!("{text:?} is no amount of memory"))
                .hint("as in \"3GiB\" or \"512MiB\"")
        })
    }

    fn time(&self, pair: &Pair<'_>) -> Result<Duration> {
        let text = scalar(pair.value.get_ref()).unwrap_or_default();
        let length = humantime::parse_duration(&text).ok().filter(|length| !length.is_zero());
        length.ok_or_else(|| {
            self.wrong(pair.value.span(), &format!("{text:?} is no length of time")).hint("as in \"30m\" or \"2h\"")
        })
    }
}
