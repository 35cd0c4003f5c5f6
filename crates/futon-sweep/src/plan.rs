//! From a sweep's file to its cells, in a fixed order, each named by the digest of its inputs.

use std::collections::BTreeMap;

use futon_common::{Error, Result};
use futon_model::Cell;
use serde::{Deserialize, Serialize};

use crate::spec::{Exclude, FUNCTION, Functions, Group, SEED, Spec};

/// Cells of a sweep, at most: more are a mistake.
const MOST: usize = 1_000_000;

/// What a cell's result depends on, by name.
pub type Inputs = BTreeMap<String, String>;

/// What a cell's machine takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors of the host.
    pub cores: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
}

/// Says what shapes the result of a function with some flags.
pub trait Source {
    /// All inputs of one cell, and what its machine takes. `words` are flags of `futon test`.
    ///
    /// # Errors
    /// When the flags do not go together, or something that they name is missing.
    fn inputs(&mut self, function: &str, words: &[String]) -> Result<(Inputs, Machine)>;
}

/// What several cells share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    inputs: Inputs,
    machine: Machine,
}

/// The cells of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What varies beside the function: `seed`, or a flag with its part, as in `param.l2.size`.
    pub names: Vec<String>,
    /// Flags that all cells have, as words of a command line.
    pub flags: Vec<String>,
    /// Names that are switches.
    #[serde(default)]
    pub switches: Vec<String>,
    /// What several cells share.
    shared: Vec<Shared>,
    /// The cells, in their order.
    pub cells: Vec<PlannedCell>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// Digest of its inputs: 64 hex digits.
    pub digest: String,
    /// Function.
    pub function: String,
    /// Values of [`Plan::names`], in their order.
    pub values: Vec<String>,
    /// The place of its inputs in [`Plan::shared`].
    shared: usize,
    /// Inputs of its own, over the shared ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    own: Inputs,
}

impl Plan {
    /// Makes the cells. `all` are the functions for `functions = "all"`; `switches` the flags without a value.
    ///
    /// # Errors
    /// When there are no cells, too many, two that are the same, or one that cannot be.
    pub fn make(spec: &Spec, all: &[String], switches: &[String], source: &mut dyn Source) -> Result<Self> {
        let groups = groups(spec, all);
        let names: Vec<&String> = groups.iter().flat_map(|group| &group.names).collect();
        let total = groups.iter().try_fold(1_usize, |total, group| total.checked_mul(group.rows.len()));
        if total.is_none_or(|total| total > MOST) {
            return Err(Error::usage(format!("the sweep has more than {MOST} cells")).hint("fewer values"));
        }
        let function_at = names.iter().position(|name| *name == FUNCTION).unwrap_or_default();
        let mut plan = Self {
            names: names.iter().filter(|name| **name != FUNCTION).map(|name| (*name).clone()).collect(),
            flags: spec.flags.iter().flat_map(|flag| words(&flag.name, &flag.values, switches)).collect(),
            switches: switches.to_vec(),
            shared: Vec::new(),
            cells: Vec::new(),
        };
        let mut used = vec![false; spec.excludes.len()];
        for mut row in product(&groups) {
            let excluded = spec.excludes.iter().zip(&mut used).filter(|(exclude, _)| matches(exclude, &names, &row));
            if excluded.map(|(_, used)| *used = true).count() > 0 {
                continue;
            }
            let function = row.remove(function_at);
            plan.cells.push(PlannedCell {
                digest: String::new(),
                function,
                values: row,
                shared: 0,
                own: Inputs::new(),
            });
        }
        if let Some((exclude, _)) = spec.excludes.iter().zip(&used).find(|(_, used)| !**used) {
            return Err(Error::usage(format!("the [[exclude]] in line {} leaves out no cell", exclude.line))
                .hint("are its values those of [sweep], written as they are there?"));
        }
        if plan.cells.is_empty() {
            return Err(Error::nothing_to_run("every cell of the sweep is left out").hint("see its [[exclude]]"));
        }
        plan.name_cells(source)?;
        plan.refuse_twins()?;
        Ok(plan)
    }

    /// The flags of a cell's `futon test`, without the function.
    #[must_use]
    pub fn words(&self, cell: &PlannedCell) -> Vec<String> {
        let mut all = self.flags.clone();
        let on = self.names.iter().position(|name| name == "on").and_then(|at| cell.values.get(at));
        let simulated = on.map_or_else(|| self.flags.iter().any(|word| word == "--on=gem5"), |on| on == "gem5");
        for (name, value) in self.names.iter().zip(&cell.values) {
            let flag = match name.as_str() {
                SEED if simulated => "sim-seed",
                name => name,
            };
            all.extend(words(flag, std::slice::from_ref(value), &self.switches));
        }
        all
    }

    /// What shapes a cell's result.
    #[must_use]
    pub fn cell(&self, cell: &PlannedCell) -> Cell {
        let mut inputs = self.shared.get(cell.shared).map(|shared| shared.inputs.clone()).unwrap_or_default();
        inputs.extend(cell.own.clone());
        Cell::of(inputs)
    }

    /// What a cell's machine takes.
    #[must_use]
    pub fn machine(&self, cell: &PlannedCell) -> Machine {
        self.shared.get(cell.shared).map(|shared| shared.machine).unwrap_or_default()
    }

    /// A cell for people, as in `aes-go l2.size=1MiB seed=2`.
    #[must_use]
    pub fn title(&self, cell: &PlannedCell) -> String {
        let mut title = cell.function.clone();
        for (name, value) in self.names.iter().zip(&cell.values) {
            title += &format!(" {}={value}", name.strip_prefix("param.").unwrap_or(name));
        }
        title
    }

    /// Finds each cell's inputs, and its digest.
    ///
    /// Asking for them is slow (images are looked up, calls are compiled), and most of what varies is one input of that name and nothing
    /// else. So of cells that differ only in such names the first and the last are asked for. If they differ as expected, the others are
    /// known, too; if not, fewer names are taken to be like that.
    fn name_cells(&mut self, source: &mut dyn Source) -> Result<()> {
        let params = |name: &str| name.starts_with("param.");
        let alone: [fn(&str) -> bool; 3] = [|name| name.starts_with("param.") || name == SEED, params, |_| false];
        let mut open: Vec<usize> = (0..self.cells.len()).collect();
        for is_alone in alone {
            let mut left = Vec::new();
            for family in self.families(&open, is_alone) {
                if !self.try_family(&family, is_alone, source)? {
                    left.extend(family);
                }
            }
            open = left;
        }
        Ok(())
    }

    /// Cells that differ only in names that are alone, in order.
    fn families(&self, cells: &[usize], is_alone: fn(&str) -> bool) -> Vec<Vec<usize>> {
        let mut families: BTreeMap<(&str, Vec<&str>), Vec<usize>> = BTreeMap::new();
        for index in cells {
            let cell = &self.cells[*index];
            let rest = self.names.iter().zip(&cell.values).filter(|(name, _)| !is_alone(name));
            let key = (cell.function.as_str(), rest.map(|(_, value)| value.as_str()).collect());
            families.entry(key).or_default().push(*index);
        }
        families.into_values().collect()
    }

    /// Gives a family its inputs, if those of the first and of the last cell are what the names make expect.
    fn try_family(&mut self, family: &[usize], is_alone: fn(&str) -> bool, source: &mut dyn Source) -> Result<bool> {
        let (Some(first), Some(last)) = (family.first().copied(), family.last().copied()) else { return Ok(true) };
        let (shared, machine) = self.ask(first, source)?;
        let own = |plan: &Self, index: usize| -> Option<Inputs> {
            let cell = &plan.cells[index];
            let mut own = Inputs::new();
            for (at, name) in plan.names.iter().enumerate().filter(|(_, name)| is_alone(name)) {
                let (was, is) = (&plan.cells[first].values[at], &cell.values[at]);
                let input = input_of(name, was, &shared)?;
                own.insert(input, is.clone());
            }
            Some(own)
        };
        if first != last {
            let Some(expected) = own(self, last) else { return Ok(false) };
            let mut known = shared.clone();
            known.extend(expected);
            if (known, machine) != self.ask(last, source)? {
                return Ok(false);
            }
        }
        let place = self.shared.len();
        for index in family {
            let own = if *index == first { Inputs::new() } else { own(self, *index).unwrap_or_default() };
            let mut inputs = shared.clone();
            inputs.extend(own.clone());
            let cell = &mut self.cells[*index];
            (cell.shared, cell.own, cell.digest) = (place, own, Cell::of(inputs).digest);
        }
        self.shared.push(Shared { inputs: shared, machine });
        Ok(true)
    }

    fn ask(&self, index: usize, source: &mut dyn Source) -> Result<(Inputs, Machine)> {
        let cell = &self.cells[index];
        source.inputs(&cell.function, &self.words(cell))
    }

    /// Two cells with the same inputs would be one result: what tells them apart has no effect.
    fn refuse_twins(&self) -> Result<()> {
        let mut seen: BTreeMap<&str, &PlannedCell> = BTreeMap::new();
        for cell in &self.cells {
            let Some(twin) = seen.insert(&cell.digest, cell) else { continue };
            let pairs = self.names.iter().zip(twin.values.iter().zip(&cell.values));
            let differ: Vec<&str> = pairs.filter(|(_, (a, b))| a != b).map(|(name, _)| name.as_str()).collect();
            let why = format!(
                "{} and {} are the same: {} changes nothing that shapes the result",
                self.title(twin),
                self.title(cell),
                differ.join(", ")
            );
            return Err(Error::usage(why).hint("leave it out, or use it with a machine on which it has an effect"));
        }
        Ok(())
    }
}

/// The input that a name stands for, if there is one with its value.
fn input_of(name: &str, value: &str, inputs: &Inputs) -> Option<String> {
    let candidates = match name.strip_prefix("param.") {
        Some(param) => vec![format!("param {param}")],
        None => vec![format!("simulation's {name}"), format!("client {name}")],
    };
    candidates.into_iter().find(|input| inputs.get(input).is_some_and(|known| known == value))
}

/// Functions first, then seeds, then the rest in the file's order: cells that are next to each other share most of what has to be prepared.
fn groups(spec: &Spec, all: &[String]) -> Vec<Group> {
    let one = |name: &str, values: &[String]| Group {
        names: vec![name.to_owned()],
        rows: values.iter().map(|value| vec![value.clone()]).collect(),
    };
    let mut groups = Vec::new();
    match &spec.functions {
        Functions::All => groups.push(one(FUNCTION, all)),
        Functions::Named(names) => groups.push(one(FUNCTION, names)),
        Functions::Zipped => {}
    }
    let (with_function, rest): (Vec<_>, Vec<_>) =
        spec.groups.iter().cloned().partition(|group| group.names.iter().any(|name| name == FUNCTION));
    groups.extend(with_function);
    if !spec.seeds.is_empty() {
        groups.push(one(SEED, &spec.seeds));
    }
    groups.extend(rest);
    groups
}

/// Each row of each group with each of the others, the last group's changing fastest.
fn product(groups: &[Group]) -> Vec<Vec<String>> {
    let mut rows = vec![Vec::new()];
    for group in groups {
        rows = rows
            .iter()
            .flat_map(|row: &Vec<String>| group.rows.iter().map(move |more| [row.as_slice(), more.as_slice()].concat()))
            .collect();
    }
    rows
}

fn matches(exclude: &Exclude, names: &[&String], row: &[String]) -> bool {
    exclude
        .all_of
        .iter()
        .all(|(name, values)| names.iter().zip(row).any(|(known, value)| *known == name && values.contains(value)))
}

/// A flag on a command line. What has parts is written as `--FLAG=PART=VALUE`.
fn words(name: &str, values: &[String], switches: &[String]) -> Vec<String> {
    if switches.iter().any(|switch| switch == name) {
        return values.iter().filter(|value| *value == "true").map(|_| format!("--{name}")).collect();
    }
    let head = match name.split_once('.') {
        Some((flag, part)) => format!("--{flag}={part}="),
        None => format!("--{name}="),
    };
    values.iter().map(|value| format!("{head}{value}")).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
