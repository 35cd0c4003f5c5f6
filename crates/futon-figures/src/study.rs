//! `futon stats study`: several measurements on one page, and what they say together.

use std::path::{Path, PathBuf};

use futon_common::{Error, Result};
use gem5_stats::{Chart, Part, Row, bar_chart};

use super::figures::{Difference, Figures};
use super::measurement::{origin, read};

/// The metrics that the page draws and lists; all others are in each measurement's own page.
const SHOWN: [&str; 5] = ["cpi", "instructions", "l1i_mpki", "l2_mpki", "branch_mpki"];
const DRAWN: [&str; 2] = ["cpi", "l1i_mpki"];

/// What the page does not claim.
const CLAIM: &str = "What is not claimed: the core is an uncalibrated model, so figures are for comparison, not for quotation. The client, the \
    kernel and the runtime's housekeeping on other cores are part of the machine, but only the function's core is counted. Functions are small \
    samples with fixed inputs; another input, runtime version or parameter may behave differently. Intervals cover what the seeds vary \
    (layout, entropy, number of warm-up calls), and nothing else.";

/// A measurement that was read again.
#[derive(Debug)]
struct Measured {
    name: String,
    figures: Figures,
    rows: Vec<Row>,
}

/// Measurements that are looked at together.
#[derive(Debug)]
pub struct Study {
    measured: Vec<Measured>,
}

impl Study {
    /// Reads the folders of measurements.
    ///
    /// # Errors
    /// When one cannot be read, or is no measurement.
    pub fn of(folders: &[PathBuf]) -> Result<Self> {
        Ok(Self { measured: folders.iter().map(|folder| measured(folder)).collect::<Result<Vec<_>>>()? })
    }

    /// The page for people, HTML.
    pub fn page(&self) -> String {
        gem5_stats::page("A study", &parts(&self.measured))
    }

    /// What the measurements show, in sentences.
    pub fn findings(&self) -> Vec<String> {
        findings(&self.measured)
    }
}

/// Reads the rows of a measurement: runs of one seed belong together.
fn measured(folder: &Path) -> Result<Measured> {
    let file = folder.join("invocations.csv");
    if !file.is_file() {
        let why = if folder.is_dir() { "it has no invocations.csv" } else { "there is no such folder" };
        return Err(
            Error::usage(format!("{}: {why}", folder.display())).hint("name folders that `futon measure --out` wrote")
        );
    }
    let rows = read(&file)?;
    let all = |column: &str| -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for value in rows.iter().filter_map(|row| row.get(column)) {
            if !found.iter().any(|known| known == value) {
                found.push(value.to_owned());
            }
        }
        found
    };
    let (states, seeds) = (all("state"), all("seed"));
    if states.is_empty() {
        return Err(Error::usage(format!("{}: its rows have no state", folder.display()))
            .hint("name folders that `futon measure --out` wrote"));
    }
    let mut figures = Figures::new(states.clone());
    for (run, seed) in (1..).zip(&seeds) {
        for (place, state) in states.iter().enumerate() {
            let of = |row: &&Row| row.get("seed") == Some(seed) && row.get("state") == Some(state);
            let own: Vec<Row> = rows.iter().filter(of).cloned().collect();
            figures.add(run, place, &own)?;
        }
    }
    let name = folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(Measured { name, figures, rows })
}

fn parts(measured: &[Measured]) -> Vec<Part> {
    let mut parts: Vec<Part> = findings(measured).into_iter().map(Part::Text).collect();
    parts.push(Part::Text(CLAIM.into()));
    for one in measured {
        parts.push(Part::Heading(one.name.clone()));
        parts.push(Part::Text(format!("{} · futon {}", origin(&one.rows), env!("CARGO_PKG_VERSION"))));
        parts.extend(one.figures.long_names().into_iter().map(Part::Text));
        for metric in DRAWN {
            if let Some(bars) = one.figures.bars(metric) {
                parts.push(Part::Chart(Chart { title: format!("{}: {metric}", one.name), ..bar_chart(&bars) }));
            }
        }
        let lines = one.figures.difference_lines();
        let shown = |line: &&Vec<String>| line.get(2).is_some_and(|m| m == "metric" || SHOWN.contains(&m.as_str()));
        let lines: Vec<Vec<String>> = lines.iter().filter(shown).cloned().collect();
        if lines.len() > 1 {
            parts.push(Part::Table(lines));
        }
    }
    parts
}

/// What the measurements say, one sentence each.
fn findings(measured: &[Measured]) -> Vec<String> {
    let mut found = Vec::new();
    for one in measured {
        let of_cpi: Vec<Difference<'_>> = one.figures.differences().filter(|d| d.metric == "cpi").collect();
        let mut states: Vec<&str> = Vec::new();
        for difference in &of_cpi {
            if !states.contains(&difference.to) {
                states.push(difference.to);
            }
        }
        for state in states {
            let own: Vec<&Difference<'_>> = of_cpi.iter().filter(|d| d.to == state).collect();
            found.push(rise(one, state, &own));
            found.extend(by_length(one, state, &own));
        }
    }
    found.extend(misled(measured));
    found
}

/// How the CPI of all functions changes in a state.
fn rise(one: &Measured, state: &str, own: &[&Difference<'_>]) -> String {
    let shown: Vec<f64> = own.iter().filter(|d| d.interval.excludes_zero()).map(|d| part(d)).collect();
    let (low, high) = shown.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let of = format!("{} of {} functions", shown.len(), own.len());
    let range = match shown.len() {
        0 => String::new(),
        1 => format!(": {low:+.0}%"),
        _ => format!(": {low:+.0}% to {high:+.0}%"),
    };
    let known = if state.contains("l2+llc") {
        " (Schall et al., ISCA 2022, found +31% to +114% for lukewarm functions on a real Skylake, most of it instruction misses)"
    } else {
        ""
    };
    format!("{}: {}: a difference in CPI is shown for {of}{range}{known}.", one.name, one.figures.label(state))
}

/// The change as percent of the mean before it.
fn part(difference: &Difference<'_>) -> f64 {
    100.0 * difference.interval.mean / difference.before
}

/// Whether short functions suffer more (Asheim et al., WoSC 2022): how the ranks of instructions and of the rise agree.
fn by_length(one: &Measured, state: &str, own: &[&Difference<'_>]) -> Option<String> {
    let length = |function: &str| {
        one.figures
            .differences()
            .find(|d| d.function == function && d.to == state && d.metric == "instructions")
            .map(|d| d.before)
    };
    let pairs: Vec<(f64, f64)> = own.iter().filter_map(|d| Some((length(d.function)?, part(d)))).collect();
    let (rho, chance) = rank_correlation(&pairs)?;
    Some(format!(
        "{}: {}: do only short functions suffer, as Asheim et al. (WoSC 2022) say? The rank correlation of instructions per call and rise of \
         CPI is {rho:+.2} over {} functions; by chance as strong a one comes up in {:.0}% of all orders.",
        one.name,
        one.figures.label(state),
        pairs.len(),
        100.0 * chance
    ))
}

/// Spearman's rank correlation, and the part of all permutations that have one at least as strong. None with fewer than five or more than
/// nine pairs: too few say nothing, and of more there are too many permutations.
fn rank_correlation(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    if !(5..=9).contains(&pairs.len()) {
        return None;
    }
    let (first, mut second) = (ranks(pairs.iter().map(|p| p.0)), ranks(pairs.iter().map(|p| p.1)));
    let found = correlation(&first, &second);
    let (mut as_strong, mut all) = (0_u32, 0_u32);
    permutations(&mut second, 0, &mut |order| {
        all += 1;
        as_strong += u32::from(correlation(&first, order).abs() >= found.abs() - 1e-9);
    });
    Some((found, f64::from(as_strong) / f64::from(all)))
}

/// The place of each value among all, from 0; equal ones share the mean of theirs.
fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let below = |value: f64| values.iter().filter(|other| **other < value).count();
    let equal = |value: f64| values.iter().filter(|other| value.total_cmp(other).is_eq()).count();
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    values.iter().map(|value| number(below(*value)) + (number(equal(*value)) - 1.0) / 2.0).collect()
}

fn correlation(first: &[f64], second: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(first.len()).unwrap_or(u32::MAX));
    let mean = |list: &[f64]| list.iter().sum::<f64>() / count;
    let (a, b) = (mean(first), mean(second));
    let product: f64 = first.iter().zip(second).map(|(x, y)| (x - a) * (y - b)).sum();
    let spread = |list: &[f64], mean: f64| list.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
    let both = spread(first, a) * spread(second, b);
    if both > 0.0 { product / both } else { 0.0 }
}

/// Calls `with` with each order of a list.
fn permutations(list: &mut [f64], from: usize, with: &mut impl FnMut(&[f64])) {
    if from >= list.len() {
        with(list);
        return;
    }
    for at in from..list.len() {
        list.swap(from, at);
        permutations(list, from + 1, with);
        list.swap(from, at);
    }
}

/// How often single runs would have misled where a difference is shown.
fn misled(measured: &[Measured]) -> Option<String> {
    let of_cpi = measured.iter().flat_map(|one| one.figures.differences());
    let shown: Vec<Difference<'_>> = of_cpi.filter(|d| d.metric == "cpi" && d.interval.excludes_zero()).collect();
    let count = f64::from(u32::try_from(shown.len()).ok().filter(|count| *count > 0)?);
    let mean = shown.iter().map(|d| d.misled).sum::<f64>() / count;
    let worst = shown.iter().max_by(|a, b| a.misled.total_cmp(&b.misled))?;
    Some(format!(
        "Single runs: of {} comparisons of CPI that show a difference, one run of each state would have had the order the wrong way round in \
         {:.0}% of the pairs on average, and in {:.0}% at worst ({}, {}).",
        shown.len(),
        100.0 * mean,
        100.0 * worst.misled,
        worst.function,
        worst.to
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn ranks_that_agree_correlate_and_chance_is_counted() {
        let rising: Vec<(f64, f64)> = (0..5).map(|n| (f64::from(n), f64::from(n * n))).collect();
        let (rho, chance) = rank_correlation(&rising).unwrap();
        // Of 120 orders two are as strong: this one and its reverse.
        assert!((rho - 1.0).abs() < 1e-9 && (chance - 2.0 / 120.0).abs() < 1e-9, "{rho} {chance}");
        let falling: Vec<(f64, f64)> = (0..6).map(|n| (f64::from(n), -f64::from(n))).collect();
        assert!((rank_correlation(&falling).unwrap().0 + 1.0).abs() < 1e-9);
        assert!(rank_correlation(&rising[..4]).is_none());
        assert_eq!(ranks([3.0, 1.0, 3.0].into_iter()), [1.5, 0.0, 1.5]);
    }

    /// Rows of one call each: functions of 1000 instructions.
    fn measurement(folder: &Path, cycles: &[(&str, &str, &str, u32)]) {
        let column = |(function, state, seed, cycles): &(&str, &str, &str, u32), column: &str| match column {
            "function" => (*function).to_owned(),
            "state" => (*state).to_owned(),
            "seed" => (*seed).to_owned(),
            "active_cycles" => cycles.to_string(),
            "insts_user" => "1000".to_owned(),
            "insts_kernel" => "0".to_owned(),
            "system" => "skylake".to_owned(),
            _ => String::new(),
        };
        let mut text = gem5_stats::COLUMNS.join(",") + "\n";
        for row in cycles {
            text += &(gem5_stats::COLUMNS.map(|name| column(row, name)).join(",") + "\n");
        }
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("invocations.csv"), text).unwrap();
    }

    #[test]
    fn a_study_says_what_its_measurements_show() {
        let folder = tempfile::tempdir().unwrap();
        let cold = "lukewarm:l1i+l2+llc";
        let mut rows = Vec::new();
        for (seed, more) in [("1", 0), ("1x2", 10), ("1x3", 20)] {
            rows.push(("a", "warm", seed, 1000 + more));
            rows.push(("a", cold, seed, 1500 + more));
            rows.push(("b", "warm", seed, 2000 + more));
            rows.push(("b", cold, seed, 2005 + 7 * (20 - more)));
        }
        measurement(&folder.path().join("lukewarm"), &rows);
        let measured = vec![super::measured(&folder.path().join("lukewarm")).unwrap()];
        let found = findings(&measured);
        assert!(found[0].contains("shown for 1 of 2 functions: +50% (Schall"), "{found:?}");
        assert!(
            found[1].contains("of 1 comparisons") && found[1].contains("in 0% of the pairs on average"),
            "{found:?}"
        );
        let page = gem5_stats::page("A study", &parts(&measured));
        for part in ["What is not claimed", "<h2>lukewarm</h2>", "system skylake", "0.500 ± 0.000 (+49.5%)", "<svg"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(read(&folder.path().join("nothing")).is_err());
    }
}
