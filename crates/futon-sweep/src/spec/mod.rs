//! `sweep.toml`: what varies, what does not, and what a cell needs.

mod parts;
mod read;
mod value;

use std::ops::Range;
use std::path::Path;

use futon_common::text::counted;
use futon_common::{Error, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use parts::{Functions, Resources, SlurmSpec};
use read::{Pair, Source};
pub use value::nearest;

/// A flag of `futon test`, as far as a sweep must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFlag {
    /// Its name without dashes.
    pub name: String,
    /// Whether it has a value; a switch has none.
    pub takes_value: bool,
    /// Why a sweep cannot use it.
    pub refused: Option<&'static str>,
}

/// A flag that all cells have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name; with a part behind the first dot where its value is `PART=VALUE`, as in `param.l2.size`.
    pub name: String,
    /// Its values, one for each time that it is given.
    pub values: Vec<String>,
}

/// What changes together: one name, or those of a `[[zip]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Names: `function`, `seed`, or a flag as in [`Flag::name`].
    pub names: Vec<String>,
    /// The values, in the order of the names, of each step.
    pub rows: Vec<Vec<String>>,
}

/// Cells that are left out: those that have one of the values for each of the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclude {
    /// Names with the values.
    pub all_of: Vec<(String, Vec<String>)>,
    /// Line in the file.
    pub line: usize,
}

/// A sweep as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name; absent: that of the file.
    pub name: Option<String>,
    /// Its functions.
    pub functions: Functions,
    /// Seeds; empty where a `[[zip]]` has them, or there are none.
    pub seeds: Vec<String>,
    /// Flags of all cells.
    pub flags: Vec<Flag>,
    /// What varies, beside functions and seeds, in the order of the file.
    pub groups: Vec<Group>,
    /// What is left out.
    pub excludes: Vec<Exclude>,
    /// What a cell needs.
    pub resources: Resources,
    /// Slurm's part.
    pub slurm: SlurmSpec,
    /// How often a cell without a verdict is tried again.
    pub retries: u32,
}

/// Names that are no flags.
pub(crate) const FUNCTION: &str = "function";
pub(crate) const SEED: &str = "seed";

const KEYS: [&str; 9] = ["name", "functions", "seeds", "retries", "flags", "sweep", "zip", "exclude", "resources"];
const RETRIES: u32 = 1;

impl Spec {
    /// Reads a sweep's file.
    ///
    /// # Errors
    /// When it cannot be read, or is not as `docs/sweep.md` says; with its line.
    pub fn read(path: &Path, flags: &[KnownFlag]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::usage(format!("cannot read {}", path.display()))
                .caused_by(e)
                .hint("name a sweep's file, as in `futon sweep sweep.toml`; docs/sweep.md has an example")
        })?;
        Self::parse(&path.display().to_string(), &text, flags)
    }

    /// The same of a text; `file` is for messages.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn parse(file: &str, text: &str, flags: &[KnownFlag]) -> Result<Self> {
        let source = Source { file, text };
        let document = DeTable::parse(text).map_err(|e| source.malformed(&e))?;
        let known: Vec<&str> = KEYS.into_iter().chain(["slurm"]).collect();
        let top = source.table(document.get_ref(), &known, "a sweep")?;
        let names = Names { source: &source, flags };
        let mut spec = Self {
            name: top.get("name").map(|pair| source.name(pair)).transpose()?,
            functions: Functions::Zipped,
            seeds: top.get("seeds").map(|pair| source.seeds(pair)).transpose()?.unwrap_or_default(),
            flags: top.get("flags").map(|pair| names.fixed(pair)).transpose()?.unwrap_or_default(),
            groups: Vec::new(),
            excludes: Vec::new(),
            resources: top.get("resources").map(|pair| source.resources(pair)).transpose()?.unwrap_or_default(),
            slurm: top.get("slurm").map(|pair| source.slurm(pair)).transpose()?.unwrap_or_default(),
            retries: top.get("retries").map(|pair| source.whole(pair, 0, 10)).transpose()?.unwrap_or(RETRIES),
        };
        // The order of the file is the order of the cells.
        let mut groups: Vec<(usize, Group)> = Vec::new();
        if let Some(pair) = top.get("sweep") {
            groups.extend(names.axes(pair)?.into_iter().map(|axis| (axis.at, axis.group())));
        }
        for table in top.get("zip").map(|pair| source.tables(pair)).transpose()?.unwrap_or_default() {
            groups.push((table.value.span().start, names.zip(&table)?));
        }
        groups.sort_by_key(|(at, _)| *at);
        spec.groups = groups.into_iter().map(|(_, group)| group).collect();
        spec.check_names(&source, document.span())?;
        spec.functions = spec.functions(&source, top.get("functions"), document.span())?;
        if spec.has(SEED) && !spec.seeds.is_empty() {
            return Err(
                source.wrong(top.get("seeds").map_or(0..0, |p| p.key.span()), "the seeds are in a [[zip]], too")
            );
        }
        for table in top.get("exclude").map(|pair| source.tables(pair)).transpose()?.unwrap_or_default() {
            let exclude = spec.exclude(&names, &table)?;
            spec.excludes.push(exclude);
        }
        Ok(spec)
    }

    /// Whether a group has a name.
    fn has(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group.names.iter().any(|known| known == name))
    }

    fn functions(&self, source: &Source<'_>, given: Option<&Pair<'_>>, all: Range<usize>) -> Result<Functions> {
        match (given, self.has(FUNCTION)) {
            (None, true) => Ok(Functions::Zipped),
            (None, false) => Err(source
                .wrong(all.start..all.start, "no functions")
                .hint("functions = [\"fibonacci-go\"], or functions = \"all\"")),
            (Some(pair), true) => Err(source.wrong(pair.key.span(), "the functions are in a [[zip]], too")),
            (Some(pair), false) => source.functions(pair),
        }
    }

    /// Refuses a name that two places give a value.
    fn check_names(&self, source: &Source<'_>, all: Range<usize>) -> Result<()> {
        let mut seen: Vec<&str> = self.flags.iter().map(|flag| flag.name.as_str()).collect();
        for name in self.groups.iter().flat_map(|group| &group.names) {
            if seen.contains(&name.as_str()) {
                let at = source.text.rfind(name.rsplit('.').next().unwrap_or(name)).unwrap_or(all.start);
                return Err(source.wrong(at..at, &format!("{name} has its values in two places")));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn exclude(&self, names: &Names<'_>, table: &Pair<'_>) -> Result<Exclude> {
        let source = names.source;
        let varied = || self.groups.iter().flat_map(|g| g.names.iter().map(String::as_str)).chain([FUNCTION, SEED]);
        let mut all_of = Vec::new();
        for axis in names.axes(table)? {
            if !varied().any(|name| name == axis.name) {
                let hint = nearest(&axis.name, varied())
                    .map_or_else(|| "name what [sweep] or a [[zip]] has".to_owned(), |n| format!("did you mean {n}?"));
                return Err(source.wrong(axis.at..axis.at, &format!("{} does not vary", axis.name)).hint(hint));
            }
            all_of.push((axis.name, axis.values));
        }
        if all_of.is_empty() {
            return Err(source.wrong(table.value.span(), "an empty [[exclude]] would leave out everything"));
        }
        Ok(Exclude { all_of, line: source.line(table.value.span().start) })
    }
}

/// One name with its values.
struct Axis {
    name: String,
    values: Vec<String>,
    at: usize,
}

impl Axis {
    fn group(self) -> Group {
        Group { names: vec![self.name], rows: self.values.into_iter().map(|value| vec![value]).collect() }
    }
}

/// Reads tables whose keys are names of flags.
struct Names<'a> {
    source: &'a Source<'a>,
    flags: &'a [KnownFlag],
}

impl Names<'_> {
    /// `[flags]`.
    fn fixed(&self, pair: &Pair<'_>) -> Result<Vec<Flag>> {
        let axes = self.axes(pair)?;
        if let Some(axis) = axes.iter().find(|axis| axis.name == FUNCTION || axis.name == SEED) {
            let why = format!("{} is no flag of all cells: it has its own key, {}s", axis.name, axis.name);
            return Err(self.source.wrong(axis.at..axis.at, &why));
        }
        Ok(axes.into_iter().map(|axis| Flag { name: axis.name, values: axis.values }).collect())
    }

    /// `[[zip]]`.
    fn zip(&self, pair: &Pair<'_>) -> Result<Group> {
        let axes = self.axes(pair)?;
        let span = pair.value.span();
        let Some(first) = axes.first() else { return Err(self.source.wrong(span, "an empty [[zip]]")) };
        let steps = first.values.len();
        if let Some(other) = axes.iter().find(|axis| axis.values.len() != steps) {
            let why =
                format!("{} has {}, {} has {steps}", other.name, counted(other.values.len(), "value"), first.name);
            return Err(self.source.wrong(other.at..other.at, &why).hint("in a [[zip]] all have as many"));
        }
        let rows = (0..steps).map(|step| axes.iter().map(|axis| axis.values[step].clone()).collect()).collect();
        Ok(Group { names: axes.into_iter().map(|axis| axis.name).collect(), rows })
    }

    /// All names of a table, with what is below them, in the order of the file.
    fn axes(&self, pair: &Pair<'_>) -> Result<Vec<Axis>> {
        let DeValue::Table(table) = pair.value.get_ref() else {
            return Err(self.source.wrong(pair.value.span(), &format!("{} must be a table", pair.key.get_ref())));
        };
        let mut axes = Vec::new();
        for (key, value) in table {
            let flag = self.known(key)?;
            self.below(key.get_ref(), key.span().start, value, flag, &mut axes)?;
        }
        axes.sort_by_key(|axis| axis.at);
        Ok(axes)
    }

    fn below(
        &self,
        name: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        flag: Option<&KnownFlag>,
        axes: &mut Vec<Axis>,
    ) -> Result<()> {
        if let DeValue::Table(table) = value.get_ref()
            && !value::is_range(table)
        {
            if !flag.is_some_and(|flag| flag.takes_value) {
                return Err(self.source.wrong(value.span(), &format!("{name} has no parts")));
            }
            for (key, value) in table {
                self.below(&format!("{name}.{}", key.get_ref()), key.span().start, value, flag, axes)?;
            }
            return Ok(());
        }
        let values = self.source.values(name, value)?;
        let is_switch = flag.is_some_and(|flag| !flag.takes_value);
        if let Some(bad) = values.iter().find(|v| is_switch && *v != "true" && *v != "false") {
            return Err(self.source.wrong(value.span(), &format!("{name} is true or false, not {bad}")));
        }
        axes.push(Axis { name: name.to_owned(), values, at });
        Ok(())
    }

    /// The flag of a name; none for `function` and `seed`.
    fn known(&self, key: &Spanned<std::borrow::Cow<'_, str>>) -> Result<Option<&KnownFlag>> {
        let name = key.get_ref().as_ref();
        if name == FUNCTION || name == SEED {
            return Ok(None);
        }
        let Some(flag) = self.flags.iter().find(|flag| flag.name == name) else {
            let usable = self.flags.iter().filter(|flag| flag.refused.is_none()).map(|flag| flag.name.as_str());
            let near = nearest(name, usable.chain([FUNCTION, SEED]));
            let hint = near.map_or_else(
                || "`futon test --help` lists them; a system's parameters are param.NAME".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            return Err(self.source.wrong(key.span(), &format!("`futon test` has no flag --{name}")).hint(hint));
        };
        match flag.refused {
            Some(why) => Err(self.source.wrong(key.span(), &format!("a sweep cannot use --{name}: {why}"))),
            None => Ok(Some(flag)),
        }
    }
}

#[cfg(test)]
mod tests;
