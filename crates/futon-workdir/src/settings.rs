//! `futon.toml` as layers: its top level, a profile and those that it inherits, and functions. Who asks gets values and where they are from.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use futon_common::{Error, Result};
use serde::Serialize;
use serde_json::Value as Schema;
use toml::{Table, Value};

use crate::config::Config;

/// The JSON schema of `futon.toml`.
pub const SCHEMA: &str = include_str!("../../../docs/schema/config-1.json");

/// What helps where the file cannot be read.
const FILE_HINT: &str = "--config FILE names the settings; without it they are those of futon.toml, if it is there";

/// Profiles, one inheriting from another, that are followed.
const CHAIN: usize = 16;

/// Where a setting is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "scope", content = "name", rename_all = "snake_case")]
pub enum Scope {
    /// At the top level.
    Project,
    /// In a profile.
    Profile(String),
    /// In the settings of a function.
    Function(String),
}

/// One setting of the file.
#[derive(Debug, Clone, PartialEq)]
struct Leaf {
    scope: Scope,
    /// Section and key: `machine`, `vcpus`.
    key: [String; 2],
    value: Value,
    line: usize,
}

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// Line in the file, from 1.
    pub line: usize,
    /// Which part of it.
    #[serde(flatten)]
    pub scope: Scope,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)?;
        match &self.scope {
            Scope::Project => Ok(()),
            Scope::Profile(name) => write!(f, " (profile {name})"),
            Scope::Function(name) => write!(f, " (function {name})"),
        }
    }
}

/// The settings of a project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    file: PathBuf,
    leaves: Vec<Leaf>,
    /// The profile, and those that it inherits from: the first one wins.
    profiles: Vec<String>,
}

impl Settings {
    /// Reads the given file, else `futon.toml` if it exists, with a profile over it.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, a value is none that the key can have, or there is no such profile.
    pub fn find(given: Option<&Path>, profile: Option<&str>) -> Result<Self> {
        match given {
            Some(path) => Self::read(path, profile),
            None => Self::beside(Path::new(""), profile),
        }
    }

    /// Reads `futon.toml` in a folder, if it exists. A link that leads nowhere exists.
    fn beside(folder: &Path, profile: Option<&str>) -> Result<Self> {
        let path = folder.join("futon.toml");
        match Some(&path).filter(|path| path.symlink_metadata().is_ok()) {
            Some(path) => Self::read(path, profile),
            None => match profile {
                Some(name) => {
                    let by_variable = std::env::var("FUTON_PROFILE").is_ok_and(|value| value == name);
                    let or = if by_variable { "unset FUTON_PROFILE" } else { "leave --profile out" };
                    Err(Error::usage(format!("there is no profile {name:?}: there is no futon.toml here"))
                        .hint(format!("name the file with --config FILE, or {or}")))
                }
                None => Ok(Self::default()),
            },
        }
    }

    fn read(path: &Path, profile: Option<&str>) -> Result<Self> {
        let text = futon_common::require_regular(path)
            .and_then(|()| std::fs::read_to_string(path))
            .map_err(|e| Error::usage(format!("cannot read {}", path.display())).caused_by(e).hint(FILE_HINT))?;
        Self::parse(path, &text, profile)
    }

    fn parse(path: &Path, text: &str, profile: Option<&str>) -> Result<Self> {
        let table: Table = toml::from_str(text).map_err(|e| {
            Error::usage(format!("malformed settings {}", path.display()))
                .caused_by(e)
                .hint("docs/config.md lists all keys")
        })?;
        let mut reader = Reader { path, lines: Lines::read(text), leaves: Vec::new(), inherits: Vec::new() };
        reader.file(&table)?;
        let Reader { leaves, inherits, .. } = reader;
        let mut settings = Self { file: path.to_owned(), leaves, profiles: Vec::new() };
        settings.check_values()?;
        settings.profiles = chain(path, profile, &inherits)?;
        Ok(settings)
    }

    /// The settings of all functions.
    ///
    /// # Errors
    /// Never, once the file was read.
    pub fn config(&self) -> Result<Config> {
        self.merged(None)
    }

    /// The settings of one function.
    ///
    /// # Errors
    /// Never, once the file was read.
    pub fn config_of(&self, function: &str) -> Result<Config> {
        self.merged(Some(function))
    }

    /// Whether a function has settings of its own.
    #[must_use]
    pub fn has_function(&self, function: &str) -> bool {
        self.leaves.iter().any(|leaf| matches!(&leaf.scope, Scope::Function(name) if name == function))
    }

    /// The functions that have settings of their own, and where.
    pub fn functions(&self) -> impl Iterator<Item = (&str, Origin)> {
        self.leaves.iter().filter_map(|leaf| match &leaf.scope {
            Scope::Function(name) => Some((name.as_str(), self.place(leaf))),
            _ => None,
        })
    }

    /// Where a setting is from, for one function or for all; nothing if it is the default.
    #[must_use]
    pub fn origin(&self, section: &str, key: &str, function: Option<&str>) -> Option<Origin> {
        self.leaf(section, key, function).map(|leaf| self.place(leaf))
    }

    /// The profile in use.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.profiles.first().map(String::as_str)
    }

    /// The file, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        Some(self.file.as_path()).filter(|file| !file.as_os_str().is_empty())
    }

    fn place(&self, leaf: &Leaf) -> Origin {
        Origin { file: self.file.clone(), line: leaf.line, scope: leaf.scope.clone() }
    }

    /// The setting that wins: the function's, else the profile's, else that of the top level.
    fn leaf(&self, section: &str, key: &str, function: Option<&str>) -> Option<&Leaf> {
        let scopes = function
            .map(|name| Scope::Function(name.to_owned()))
            .into_iter()
            .chain(self.profiles.iter().cloned().map(Scope::Profile))
            .chain([Scope::Project]);
        let of = |scope: &Scope| {
            self.leaves.iter().find(|leaf| leaf.scope == *scope && leaf.key[0] == section && leaf.key[1] == key)
        };
        scopes.into_iter().find_map(|scope| of(&scope))
    }

    fn merged(&self, function: Option<&str>) -> Result<Config> {
        let mut all = Table::new();
        for leaf in &self.leaves {
            let [section, key] = &leaf.key;
            if let Some(wins) = self.leaf(section, key, function) {
                put(&mut all, &leaf.key, wins.value.clone());
            }
        }
        let mut config: Config = all.try_into().map_err(|e| self.wrong(&e, None))?;
        let folder = self.file.parent().unwrap_or_else(|| Path::new(""));
        let m = &mut config.machine;
        for path in [&mut m.base_image, &mut m.kernel, &mut m.initrd].into_iter().flatten() {
            *path = folder.join(&path);
        }
        Ok(config)
    }

    /// Each value by itself, so that an error has its line.
    fn check_values(&self) -> Result<()> {
        for leaf in &self.leaves {
            let mut one = Table::new();
            put(&mut one, &leaf.key, leaf.value.clone());
            one.try_into::<Config>().map_err(|e| self.wrong(&e, Some(leaf)))?;
            let number = leaf.value.as_integer();
            let allowed = match (leaf.key[0].as_str(), leaf.key[1].as_str()) {
                ("machine", "vcpus") => 1..=64,
                ("machine", "memory_mib") => 128..=i64::MAX,
                ("test", "jobs") => 1..=256,
                ("test", "retries") => 0..=10,
                ("client", "invocations") => 1..=i64::MAX,
                _ => continue,
            };
            if let Some(number) = number.filter(|number| !allowed.contains(number)) {
                let (file, line, [section, key]) = (self.file.display(), leaf.line, &leaf.key);
                return Err(Error::usage(format!("{file}:{line}: {section}.{key}: {number} is out of its range"))
                    .hint(range_words(&allowed)));
            }
        }
        Ok(())
    }

    fn wrong(&self, error: &toml::de::Error, leaf: Option<&Leaf>) -> Error {
        let place = leaf.map_or_else(
            || self.file.display().to_string(),
            |leaf| format!("{}:{}: {}.{}", self.file.display(), leaf.line, leaf.key[0], leaf.key[1]),
        );
        Error::usage(format!("{place}: {}", error.message().trim())).hint("docs/config.md lists all keys")
    }
}

fn range_words(range: &std::ops::RangeInclusive<i64>) -> String {
    if *range.end() == i64::MAX {
        format!("at least {}", range.start())
    } else {
        format!("{} to {}", range.start(), range.end())
    }
}

fn put(table: &mut Table, [section, key]: &[String; 2], value: Value) {
    let part = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(part) = part {
        part.insert(key.clone(), value);
    }
}

/// A profile and those that it inherits from.
fn chain(path: &Path, profile: Option<&str>, known: &[(String, Option<String>)]) -> Result<Vec<String>> {
    let mut chain: Vec<String> = Vec::new();
    let mut next = profile.map(str::to_owned);
    while let Some(name) = next.take() {
        let Some((_, inherits)) = known.iter().find(|(other, _)| *other == name) else {
            let error = Error::usage(format!("{}: there is no profile {name:?}", path.display()));
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            return Err(error.hint(hint_of("profiles", &name, &names)));
        };
        if chain.contains(&name) || chain.len() == CHAIN {
            return Err(Error::usage(format!("{}: profile {name:?} inherits from itself", path.display()))
                .hint(format!("the profiles are {}", chain.join(", "))));
        }
        next.clone_from(inherits);
        chain.push(name);
    }
    Ok(chain)
}

/// The nearest of some names, or all of them. Two short words are not near each other because few letters make both.
fn hint_of(what: &str, wanted: &str, known: &[&str]) -> String {
    let is_near = |(far, name): &(usize, &&str)| *far <= 1 || *far <= 3 && 2 * far < name.len().max(wanted.len());
    match known.iter().map(|name| (strsim::levenshtein(name, wanted), name)).filter(is_near).min() {
        Some((_, name)) => format!("did you mean {name}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("the {what} are: {}", known.join(", ")),
    }
}

/// Reads the parts of a file.
struct Reader<'a> {
    path: &'a Path,
    lines: Lines,
    leaves: Vec<Leaf>,
    /// Profiles, and what they inherit from.
    inherits: Vec<(String, Option<String>)>,
}

impl Reader<'_> {
    fn file(&mut self, table: &Table) -> Result<()> {
        let schema: Schema = serde_json::from_str(SCHEMA).unwrap_or_default();
        self.sections(table, &schema, &[], &Scope::Project)?;
        for (kind, of) in [("profile", Scope::Profile as fn(String) -> Scope), ("function", Scope::Function)] {
            let Some(named) = table.get(kind) else { continue };
            let schema = &schema["properties"][kind]["additionalProperties"];
            let named = self.table(named, &[kind])?;
            for (name, part) in named {
                let part = self.table(part, &[kind, name])?;
                if kind == "profile" {
                    self.inherits.push((name.clone(), self.inherits(part, name)?));
                }
                self.sections(part, schema, &[kind, name], &of(name.clone()))?;
            }
        }
        Ok(())
    }

    fn inherits(&self, part: &Table, profile: &str) -> Result<Option<String>> {
        match part.get("inherits") {
            None => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.clone())),
            Some(_) => Err(self.error(&["profile", profile, "inherits"], "it is the name of a profile")),
        }
    }

    /// The sections of a part of the file. Names are checked against the schema.
    fn sections(&mut self, part: &Table, schema: &Schema, at: &[&str], scope: &Scope) -> Result<()> {
        for (section, keys) in part {
            let place = [at, &[section.as_str()]].concat();
            let known = self.known(&place, section, schema)?;
            if known["properties"].is_null() {
                // `inherits`, or the maps of profiles and functions.
                continue;
            }
            for (key, value) in self.table(keys, &place)? {
                let place = [&place[..], &[key.as_str()]].concat();
                self.known(&place, key, known)?;
                let line = self.lines.of(&place);
                let key = [section.clone(), key.clone()];
                self.leaves.push(Leaf { scope: scope.clone(), key, value: value.clone(), line });
            }
        }
        Ok(())
    }

    fn known<'s>(&self, place: &[&str], name: &str, schema: &'s Schema) -> Result<&'s Schema> {
        let properties = schema["properties"].as_object();
        if let Some(found) = properties.and_then(|properties| properties.get(name)) {
            return Ok(found);
        }
        let names: Vec<&str> = properties.into_iter().flat_map(|p| p.keys()).map(String::as_str).collect();
        Err(self.error(place, "there is no such key").hint(hint_of("keys", name, &names)))
    }

    fn table<'t>(&self, value: &'t Value, place: &[&str]) -> Result<&'t Table> {
        value.as_table().ok_or_else(|| self.error(place, "it is a table, as in [machine]"))
    }

    fn error(&self, place: &[&str], why: &str) -> Error {
        let line = self.lines.of(place);
        Error::usage(format!("{}:{line}: {}: {why}", self.path.display(), place.join(".")))
    }
}

/// The lines of a file's keys.
struct Lines {
    /// Key by key from the top, and where the last one is.
    keys: Vec<(Vec<String>, usize)>,
}

impl Lines {
    fn read(text: &str) -> Self {
        let mut lines = Self { keys: Vec::new() };
        if let Ok(root) = toml::de::DeTable::parse(text) {
            lines.gather(text, root.get_ref(), &[]);
        }
        lines
    }

    fn gather(&mut self, text: &str, table: &toml::de::DeTable<'_>, at: &[String]) {
        for (key, value) in table {
            let place = [at, &[key.get_ref().to_string()]].concat();
            let Range { start, .. } = key.span();
            let line = 1 + text.as_bytes().get(..start).unwrap_or_default().iter().filter(|b| **b == b'\n').count();
            if let toml::de::DeValue::Table(inner) = value.get_ref() {
                self.gather(text, inner, &place);
            }
            self.keys.push((place, line));
        }
    }

    /// The line of a key.
    fn of(&self, place: &[&str]) -> usize {
        let found = self.keys.iter().find(|(key, _)| key.iter().map(String::as_str).eq(place.iter().copied()));
        found.map_or(1, |(_, line)| *line)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
