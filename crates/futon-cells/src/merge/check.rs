//! Everything that speaks against a merge.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futon_model::{Cell, FunctionReport, Verdict};

use super::load::Run;
use super::problem::{Difference, Place, Problem, Said};
use crate::{Member, Shard};

/// Functions, and what differs for the first of them.
type Group = (Vec<String>, Vec<Difference>);

/// A run, with ways to find things in it.
struct Indexed<'a> {
    run: &'a Run,
    members: HashMap<&'a str, &'a Member>,
    results: HashMap<&'a str, &'a FunctionReport>,
}

impl<'a> Indexed<'a> {
    fn new(run: &'a Run) -> Self {
        let members = run.suite.functions.iter().map(|member| (member.name.as_str(), member)).collect();
        let results = run.report.functions.iter().map(|function| (function.name.as_str(), function)).collect();
        Self { run, members, results }
    }

    /// What shapes a function's result here, as far as this run knows.
    fn cell(&self, name: &str) -> Option<&'a Cell> {
        let of_result = self.results.get(name).and_then(|function| function.cell.as_ref());
        of_result.or_else(|| self.members.get(name)?.cell.as_ref().ok())
    }

    /// Whether a function is of the shard that ran here.
    fn owns(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|member| member.shard == self.run.suite.shard.index())
    }
}

/// Holds the runs against themselves and each other. `dead` are shards whose runs are there and cannot be read.
pub(super) fn check(runs: &[Run], dead: &[Shard]) -> Vec<Problem> {
    let runs: Vec<Indexed<'_>> = runs.iter().map(Indexed::new).collect();
    let mut problems: Vec<Problem> = runs.iter().flat_map(alone).collect();
    let Some((first, rest)) = runs.split_first() else { return problems };
    let strangers: Vec<Problem> = rest.iter().filter_map(|run| other_suite(first, run)).collect();
    if !strangers.is_empty() {
        // What is missing cannot be said if it is not known what there should be.
        problems.extend(strangers);
        return problems;
    }
    problems.extend(inputs(&runs));
    problems.extend(verdicts(&runs));
    problems.extend(gaps(&runs, dead));
    problems
}

/// What is wrong with one run by itself.
fn alone(run: &Indexed<'_>) -> Vec<Problem> {
    let (mut altered, mut edited, mut no_cell, mut stray) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut changed: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (function, digest) in run.run.report.functions.iter().zip(&run.run.digests) {
        let name = || function.name.clone();
        let member = run.members.get(function.name.as_str()).filter(|_| run.owns(&function.name));
        let Some(member) = member.filter(|_| seen.insert(&function.name)) else {
            stray.push(name());
            continue;
        };
        if member.result.as_ref() != Some(digest) {
            altered.push(name());
        }
        match (&function.cell, &member.cell) {
            (None, Err(_)) if function.verdict.is_pass() => no_cell.push(name()),
            (Some(here), Ok(there)) if here.digest != there.digest => {
                let entry =
                    changed.entry(here.differences(there)).or_insert_with(|| (Vec::new(), differences(here, there)));
                entry.0.push(name());
            }
            (Some(cell), _) if !cell.is_whole() => edited.push(name()),
            _ => {}
        }
    }
    for member in &run.run.suite.functions {
        if member.cell.as_ref().is_ok_and(|cell| !cell.is_whole()) && !edited.contains(&member.name) {
            edited.push(member.name.clone());
        }
    }
    let at = || run.run.place();
    let mut problems = Vec::new();
    let mut add = |functions: Vec<String>, problem: fn(Vec<String>, Place) -> Problem| {
        if !functions.is_empty() {
            problems.push(problem(functions, at()));
        }
    };
    add(stray, |functions, at| Problem::Stray { functions, at });
    add(altered, |functions, at| Problem::Altered { functions, at });
    add(edited, |functions, at| Problem::Edited { functions, at });
    add(no_cell, |functions, at| Problem::NoCell { functions, at });
    let changed = changed.into_values();
    problems.extend(changed.map(|(functions, inputs)| Problem::Inputs { functions, at: at(), other: at(), inputs }));
    problems
}

/// What two cells do not share, with both values.
fn differences(here: &Cell, there: &Cell) -> Vec<Difference> {
    let names = here.differences(there).into_iter();
    names
        .map(|input| Difference {
            here: here.inputs.get(&input).cloned(),
            there: there.inputs.get(&input).cloned(),
            input,
        })
        .collect()
}

/// Whether two runs are of different suites, and how.
fn other_suite(one: &Indexed<'_>, other: &Indexed<'_>) -> Option<Problem> {
    let (a, b) = (&one.run.suite, &other.run.suite);
    let only = |these: &Indexed<'_>, those: &Indexed<'_>| {
        let names = these.run.suite.functions.iter().map(|member| member.name.as_str());
        names.filter(|name| !those.members.contains_key(name)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (missing, more) = (only(one, other), only(other, one));
    let why = if let Some(name) = missing.first() {
        format!("only the first has {name}{}", and_more(missing.len()))
    } else if let Some(name) = more.first() {
        format!("only the second has {name}{}", and_more(more.len()))
    } else if a.machine != b.machine {
        format!("the first ran on {}, the second on {}", a.machine, b.machine)
    } else if a.shard.of() != b.shard.of() && a.shard != Shard::WHOLE && b.shard != Shard::WHOLE {
        format!("the first is cut into {} shards, the second into {}", a.shard.of(), b.shard.of())
    } else {
        return None;
    };
    Some(Problem::Suites { at: one.run.place(), other: other.run.place(), why })
}

fn and_more(count: usize) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}

/// Functions whose inputs are not the same in all runs: the suite is not one, even where a function ran in one of them only.
fn inputs(runs: &[Indexed<'_>]) -> Vec<Problem> {
    let mut found: BTreeMap<(usize, usize, Vec<String>), Group> = BTreeMap::new();
    for member in runs.first().map(|run| &run.run.suite.functions[..]).unwrap_or_default() {
        let name = member.name.as_str();
        let cells: Vec<_> = runs.iter().enumerate().filter_map(|(at, run)| Some((at, run.cell(name)?))).collect();
        // The others are held against the run that has the result.
        let with_result = cells.iter().find(|(at, _)| runs[*at].results.contains_key(name));
        let Some((at, cell)) = with_result.or_else(|| cells.first()) else { continue };
        for (other, another) in cells.iter().filter(|(_, another)| another.digest != cell.digest) {
            let entry = found.entry((*at, *other, cell.differences(another)));
            entry.or_insert_with(|| (Vec::new(), differences(cell, another))).0.push(member.name.clone());
        }
    }
    let place = |at: usize| runs[at].run.place();
    let found = found.into_iter();
    found
        .map(|((at, other, _), (functions, inputs))| Problem::Inputs {
            functions,
            at: place(at),
            other: place(other),
            inputs,
        })
        .collect()
}

/// Results of the same cell that do not agree.
fn verdicts(runs: &[Indexed<'_>]) -> Vec<Problem> {
    let said = |verdict: &Verdict| Said { outcome: verdict.outcome, code: verdict.code };
    let mut problems = Vec::new();
    for member in runs.first().map(|run| &run.run.suite.functions[..]).unwrap_or_default() {
        let name = member.name.as_str();
        let mut results = runs.iter().filter_map(|run| Some((run, *run.results.get(name)?)));
        let Some((first, one)) = results.next() else { continue };
        for (run, another) in results.filter(|(_, another)| said(&another.verdict) != said(&one.verdict)) {
            let same_cell = match (first.cell(name), run.cell(name)) {
                (Some(here), Some(there)) => here.digest == there.digest,
                _ => true,
            };
            if same_cell {
                problems.push(Problem::Verdicts {
                    function: member.name.clone(),
                    at: first.run.place(),
                    here: said(&one.verdict),
                    other: run.run.place(),
                    there: said(&another.verdict),
                });
            }
        }
    }
    problems
}

/// Functions without a result.
fn gaps(runs: &[Indexed<'_>], dead: &[Shard]) -> Vec<Problem> {
    let Some(first) = runs.first() else { return Vec::new() };
    // A whole suite that is merged with shards of it says nothing about how those were made.
    let cut = runs.iter().find(|run| run.run.suite.shard != Shard::WHOLE).unwrap_or(first);
    let of = cut.run.suite.shard.of();
    let (mut missing, mut unowned) = (BTreeMap::<Shard, Vec<String>>::new(), Vec::new());
    let mut without: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for member in &cut.run.suite.functions {
        let name = member.name.as_str();
        if runs.iter().any(|run| run.results.contains_key(name)) {
            continue;
        }
        let shard = Shard::new(member.shard, of).unwrap_or(Shard::WHOLE);
        if let Some(at) = runs.iter().position(|run| run.owns(name)) {
            without.entry(at).or_default().push(member.name.clone());
        } else if runs.iter().any(|run| run.run.suite.shard == shard) {
            unowned.push(member.name.clone());
        } else if !dead.contains(&shard) {
            missing.entry(shard).or_default().push(member.name.clone());
        }
    }
    let mut problems: Vec<Problem> =
        missing.into_iter().map(|(shard, functions)| Problem::MissingShard { shard, functions }).collect();
    let without = without.into_iter();
    problems.extend(without.map(|(at, functions)| Problem::Gap { functions, at: Some(runs[at].run.place()) }));
    if !unowned.is_empty() {
        problems.push(Problem::Gap { functions: unowned, at: None });
    }
    problems
}
