//! Figures of `futon measure`: of each run, their means with intervals, and how states differ from the first one.

use std::collections::BTreeMap;

use futon_common::{Context, Error, Result};
use gem5_stats::{Bar, BarGroup, Bars, Interval, METRICS, Row, interval, of_a_run, paired};
use serde_json::json;

/// The metric that `--ci` looks at.
const DECIDES: &str = "cpi";

/// Longest label of a state.
const LABEL: usize = 24;

/// A metric's figures by run. Runs of the same number have the same seed, whatever their state.
type Runs = BTreeMap<u64, f64>;

/// Figures of all functions in all states.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The states, in the order in which they are measured; each further one is compared with the first.
    states: Vec<String>,
    /// By function, state's place and metric.
    known: BTreeMap<String, Vec<BTreeMap<&'static str, Runs>>>,
}

/// One metric of a function in a state.
struct Known<'a> {
    function: &'a str,
    state: &'a str,
    metric: &'static str,
    unit: &'static str,
    interval: Interval,
    values: Vec<f64>,
}

/// What differs in one metric of a function between the first state and another one.
#[derive(Debug)]
pub struct Difference<'a> {
    /// The function.
    pub function: &'a str,
    /// The other state.
    pub to: &'a str,
    /// The metric.
    pub metric: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The mean in the first state, over the same runs.
    pub before: f64,
    /// The other state's mean less the first one's.
    pub interval: Interval,
    /// How often one run of each state, whatever its seed, has the order of the means the wrong way round, or none.
    pub misled: f64,
}

impl Figures {
    /// None yet, in these states.
    pub fn new(states: Vec<String>) -> Self {
        Self { states, known: BTreeMap::new() }
    }

    /// Adds a run's figures: for each function the means over its calls, misses weighted by instructions.
    ///
    /// # Errors
    /// When a row lacks instructions or cycles, or was found in another state.
    pub fn add(&mut self, run: u64, state: usize, rows: &[Row]) -> Result<()> {
        let mut by_function: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            let (found, wanted) = (row.get("state").unwrap_or_default(), &self.states[state]);
            if found != wanted {
                return Err(Error::infra(format!("a row of run {run} has the state {found:?}, not {wanted}")));
            }
            by_function.entry(row.get("function").unwrap_or_default()).or_default().push(row);
        }
        for (function, calls) in by_function {
            let states = vec![BTreeMap::new(); self.states.len()];
            let metrics = &mut self.known.entry(function.to_owned()).or_insert(states)[state];
            for (metric, value) in of_a_run(function, &calls)? {
                metrics.entry(metric).or_default().insert(run, value);
            }
        }
        Ok(())
    }

    /// What is known of each function's CPI, in a state; nothing with one run.
    pub fn decisive(&self, state: usize) -> impl Iterator<Item = (&str, Option<Interval>)> {
        self.known.iter().map(move |(function, states)| {
            let known = states[state].get(DECIDES).and_then(|runs| interval(&values(runs)));
            (function.as_str(), known)
        })
    }

    /// Whether each function's CPI is known well enough, in each state. Without a wish it is.
    pub fn narrow_enough(&self, wanted: Option<f64>) -> bool {
        let Some(wanted) = wanted else { return true };
        (0..self.states.len()).all(|state| {
            self.decisive(state).all(|(_, known)| known.is_some_and(|interval| interval.relative() <= wanted))
        })
    }

    fn intervals(&self) -> impl Iterator<Item = Known<'_>> {
        self.known.iter().flat_map(move |(function, states)| {
            states.iter().zip(&self.states).flat_map(move |(metrics, state)| {
                METRICS.iter().filter_map(move |(metric, unit)| {
                    let values = values(metrics.get(metric)?);
                    let interval = interval(&values)?;
                    Some(Known { function, state, metric, unit, interval, values })
                })
            })
        })
    }

    /// Each further state less the first one, of pairs with the same seed.
    pub fn differences(&self) -> impl Iterator<Item = Difference<'_>> {
        self.known.iter().flat_map(move |(function, states)| {
            let others = states.iter().zip(&self.states).skip(1);
            others.flat_map(move |(other, to)| {
                METRICS.iter().filter_map(move |(metric, unit)| {
                    let (first, second) = (states.first()?.get(metric)?, other.get(metric)?);
                    let pairs: Vec<(f64, f64)> =
                        first.iter().filter_map(|(run, before)| Some((*before, *second.get(run)?))).collect();
                    let interval = paired(&pairs)?;
                    let before = pairs.iter().map(|(before, _)| before).sum::<f64>() / count(pairs.len());
                    let misled = misled(&pairs, interval.mean);
                    Some(Difference { function, to, metric, unit, before, interval, misled })
                })
            })
        })
    }

    /// A short name of each state, no two alike.
    pub fn labels(&self) -> Vec<String> {
        let alone = |name: &str| self.states.iter().filter(|other| short(other) == name).count() == 1;
        let label = |(place, state): (usize, &String)| match short(state) {
            name if alone(name) => name.to_owned(),
            _ if state.chars().count() <= LABEL => state.clone(),
            name => format!("{name}-{}", place + 1),
        };
        self.states.iter().enumerate().map(label).collect()
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for function in self.known.keys() {
            text += &match self.states.len() {
                1 => self.list(function),
                2 => self.comparison(function),
                _ => self.overview(function),
            };
        }
        text + "an uncalibrated model: compare, do not quote"
    }

    fn list(&self, function: &str) -> String {
        let mut text = String::new();
        for known in self.intervals().filter(|known| known.function == function) {
            if text.is_empty() {
                text = format!("{function}: {} runs, means with 95% intervals\n", known.interval.runs);
            }
            text += &format!("  {:<13} {}  {}\n", known.metric, written(&known.interval), known.unit);
        }
        text
    }

    fn mean(&self, function: &str, metric: &str, state: &str) -> Option<Interval> {
        let mut all = self.intervals();
        all.find(|k| k.function == function && k.metric == metric && k.state == state).map(|k| k.interval)
    }

    /// A line for each state, and how its CPI differs from that of the first.
    fn overview(&self, function: &str) -> String {
        let mut lines = vec![["", "cpi", "difference", "instructions", "l1i_mpki"].map(str::to_owned)];
        let mut pairs = 0;
        for (state, label) in self.states.iter().zip(self.labels()) {
            let cell = |metric: &str| {
                self.mean(function, metric, state).map_or_else(|| "-".into(), |known| plus_minus(&known, 0.0))
            };
            let mut all = self.differences().filter(|d| d.function == function && d.metric == DECIDES);
            let difference = all.find(|d| d.to == state);
            pairs = difference.as_ref().map_or(pairs, |d| d.interval.runs);
            let said = difference.as_ref().map_or_else(String::new, difference_written);
            lines.push([label, cell("cpi"), said, cell("instructions"), cell("l1i_mpki")]);
        }
        format!("{function}: {pairs} runs of each state, compared by seed with the first, 95% intervals\n")
            + &self.long_lines()
            + &aligned(&lines)
    }

    /// The short name of a state.
    pub fn label(&self, state: &str) -> String {
        let known = self.states.iter().zip(self.labels()).find(|(other, _)| *other == state);
        known.map_or_else(|| state.to_owned(), |(_, label)| label)
    }

    /// What a label stands for, where it is not the state's name: `lukewarm-3 is lukewarm:l1i+l1d`.
    pub fn long_names(&self) -> Vec<String> {
        let named = self.states.iter().zip(self.labels()).filter(|(state, label)| *state != label);
        named.map(|(state, label)| format!("{label} is {state}")).collect()
    }

    fn long_lines(&self) -> String {
        self.long_names().iter().map(|name| format!("  {name}\n")).collect()
    }

    /// Both states side by side, and what differs.
    fn comparison(&self, function: &str) -> String {
        let cell = |metric: &str, state: &str| self.mean(function, metric, state);
        let mut lines = vec![["", short(&self.states[0]), short(&self.states[1]), "difference", ""].map(str::to_owned)];
        let mut pairs = 0;
        for difference in self.differences().filter(|difference| difference.function == function) {
            pairs = difference.interval.runs;
            let [first, second] = [0, 1].map(|state| {
                cell(difference.metric, &self.states[state]).map_or_else(|| "-".into(), |known| plus_minus(&known, 0.0))
            });
            lines.push([
                difference.metric.to_owned(),
                first,
                second,
                difference_written(&difference),
                difference.unit.to_owned(),
            ]);
        }
        let mut text = format!(
            "{function}: {pairs} pairs of runs with the same seed, means and mean differences with 95% intervals\n"
        );
        text += &self.long_lines();
        text += &aligned(&lines);
        let mut all = self.differences().filter(|d| d.function == function && d.metric == DECIDES);
        if let Some(misled) = all.next().map(|d| d.misled).filter(|share| *share > 0.0) {
            text += &format!("  one run of each would have misled in {:.0}% of the pairs (CPI)\n", 100.0 * misled);
        }
        text
    }

    /// The bars of a metric: a group for each function, a series for each state. None where it was not measured.
    pub fn bars(&self, metric: &str) -> Option<Bars> {
        let unit = METRICS.iter().find(|(name, _)| *name == metric)?.1;
        let bar = |function: &str, state: &str| {
            self.mean(function, metric, state).map(|i| Bar { mean: i.mean, half: i.half })
        };
        let group = |function: &String| BarGroup {
            name: function.clone(),
            bars: self.states.iter().map(|state| bar(function, state)).collect(),
        };
        let groups: Vec<BarGroup> = self.known.keys().map(group).collect();
        groups.iter().any(|group| group.bars.iter().any(Option::is_some)).then(|| Bars {
            title: metric.to_owned(),
            unit: unit.to_owned(),
            note: "Means over runs with different seeds; the lines are 95% intervals.".into(),
            series: self.labels(),
            groups,
        })
    }

    /// What differs, as a table's lines: the first one is the head.
    pub fn difference_lines(&self) -> Vec<Vec<String>> {
        let head = ["function", "state", "metric", "difference", "unit", "single runs that mislead"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for d in self.differences() {
            let misled = format!("{:.0}%", 100.0 * d.misled);
            let said = difference_written(&d);
            lines.push(vec![d.function.into(), self.label(d.to), d.metric.into(), said, d.unit.into(), misled]);
        }
        lines
    }

    /// For programs.
    ///
    /// # Errors
    /// When it has no JSON form.
    pub fn as_json(&self) -> Result<serde_json::Value> {
        let known = |k: Known<'_>| {
            json!({ "function": k.function, "state": k.state, "metric": k.metric, "unit": k.unit, "runs": k.interval.runs,
                "mean": k.interval.mean, "half_95": k.interval.half, "deviation": k.interval.deviation, "values": k.values })
        };
        let difference = |d: Difference<'_>| {
            json!({ "function": d.function, "from": self.states[0], "to": d.to, "metric": d.metric, "unit": d.unit,
                "pairs": d.interval.runs, "before": d.before, "mean": d.interval.mean, "half_95": d.interval.half,
                "deviation": d.interval.deviation, "shown": d.interval.excludes_zero(), "misled": d.misled })
        };
        let (intervals, differences): (Vec<_>, Vec<_>) =
            (self.intervals().map(known).collect(), self.differences().map(difference).collect());
        let mut whole = json!({ "schema": "futon.measure/1", "intervals": intervals });
        if self.states.len() > 1 {
            whole["differences"] = differences.into();
        }
        serde_json::to_value(whole).context(|| "cannot write the intervals".into())
    }

    /// Means as CSV.
    pub fn csv(&self) -> String {
        let mut csv = "function,metric,unit,runs,mean,half_95,deviation,state\n".to_owned();
        for Known { function, state, metric, unit, interval: i, .. } in self.intervals() {
            csv += &format!("{function},{metric},{unit},{},{},{},{},{state}\n", i.runs, i.mean, i.half, i.deviation);
        }
        csv
    }

    /// Differences as CSV, where several states were measured.
    pub fn differences_csv(&self) -> Option<String> {
        let [from, _, ..] = self.states.as_slice() else { return None };
        let mut csv = "function,metric,unit,from,to,pairs,mean,half_95,deviation,shown,misled\n".to_owned();
        for Difference { function, metric, unit, to, interval: i, misled, .. } in self.differences() {
            let shown = i.excludes_zero();
            csv += &format!(
                "{function},{metric},{unit},{from},{to},{},{},{},{},{shown},{misled}\n",
                i.runs, i.mean, i.half, i.deviation
            );
        }
        Some(csv)
    }
}

/// How often one run of each state, whatever its seed, does not have the order of the means (Alameldeen and Wood, HPCA 2003: the wrong
/// conclusion ratio).
fn misled(pairs: &[(f64, f64)], mean: f64) -> f64 {
    let orders = pairs.iter().flat_map(|(before, _)| pairs.iter().map(move |(_, after)| after - before));
    let wrong = orders.filter(|difference| difference * mean <= 0.0).count();
    count(wrong) / count(pairs.len() * pairs.len())
}

fn values(runs: &Runs) -> Vec<f64> {
    runs.values().copied().collect()
}

fn count(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}

/// A mean and its interval with as many digits as say something.
pub fn written(i: &Interval) -> String {
    format!("{} ({:.1}%)", plus_minus(i, 0.0), 100.0 * i.relative())
}

/// With the digits of a value as large as this, if it is larger.
fn plus_minus(i: &Interval, scale: f64) -> String {
    let size = i.mean.abs().max(scale.abs());
    let digits = if size >= 1000.0 {
        0
    } else if size >= 10.0 {
        2
    } else {
        3
    };
    format!("{:.digits$} ± {:.digits$}", i.mean, i.half)
}

fn difference_written(difference: &Difference<'_>) -> String {
    let said = plus_minus(&difference.interval, difference.before);
    if !difference.interval.excludes_zero() {
        return format!("no difference shown ({said})");
    }
    // Of nothing there is no part.
    let part = difference.interval.mean / difference.before;
    let part = if part.is_finite() { format!(" ({:+.1}%)", 100.0 * part) } else { String::new() };
    format!("{said}{part}")
}

/// The word for a state: its name without what is emptied in it, or who takes turns.
pub fn short(state: &str) -> &str {
    state.split(':').next().unwrap_or(state)
}

fn aligned(lines: &[[String; 5]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |cells: &[String; 5]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("  {}\n", padded.join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
