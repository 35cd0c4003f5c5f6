//! How functions fared over many reports.

use futon_model::{FunctionReport, Outcome, Report};
use serde::Serialize;

use crate::diff::{Brief, is_single};
use crate::inputs::{InputChange, changes};
use crate::noise::median;
use crate::wilson::{Rate, rate};

/// Name and version of the form of [`Trend`] as JSON.
pub const TREND_SCHEMA: &str = "futon.trend/1";

/// Functions over runs, in the order of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// [`TREND_SCHEMA`].
    pub schema: &'static str,
    /// The runs, the oldest first.
    pub runs: Vec<Run>,
    /// The functions, in the order of the last run that has them; those that fail now first.
    pub functions: Vec<FunctionTrend>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// Its start.
    pub started: String,
    /// futon's version.
    pub futon: String,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionTrend {
    /// Its name.
    pub name: String,
    /// How it ended, one for each run.
    pub marks: Vec<Mark>,
    /// How often it passed, of the runs that gave a verdict.
    pub passed: Option<Rate>,
    /// Times of the runs that passed.
    pub points: Vec<Point>,
    /// Median length of these, milliseconds.
    pub median_ms: Option<f64>,
    /// Median of their latencies (p50), milliseconds.
    pub median_p50_ms: Option<f64>,
    /// Whether some of these latencies are of an emulated machine, which do not measure performance.
    pub emulated: bool,
    /// Since when it fails, if it fails now.
    pub broken: Option<Break>,
}

/// How a function ended in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It passed at the first attempt.
    Passed,
    /// It passed at a later one.
    Flaky,
    /// It failed.
    Failed,
    /// No verdict: the host failed, or it was not run.
    Unknown,
    /// The run does not have it.
    Absent,
}

impl Mark {
    /// One character for a table.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Passed => '✓',
            Self::Flaky => '~',
            Self::Failed => '✗',
            Self::Unknown => '?',
            Self::Absent => '·',
        }
    }
}

/// Times of one run of a function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The run, by its place.
    pub run: usize,
    /// Length of the run, milliseconds.
    pub duration_ms: u64,
    /// Median latency of its calls, milliseconds.
    pub p50_ms: Option<f64>,
}

/// When a function ceased to work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Break {
    /// The last run in which it passed, by its place; absent if it never did.
    pub last_good: Option<usize>,
    /// The first run after that in which it failed.
    pub first_bad: usize,
    /// Its verdict there.
    pub verdict: Brief,
    /// What changed between the two.
    pub inputs: Vec<InputChange>,
    /// Whether the reports say which base image, kernel and calls were used; else a change of these is not seen.
    pub inputs_known: bool,
}

/// Follows functions over reports with their names, in any order.
#[must_use]
pub fn trend(reports: &[(String, Report)]) -> Trend {
    let mut reports: Vec<&(String, Report)> = reports.iter().collect();
    reports.sort_by(|a, b| (&a.1.started, &a.0).cmp(&(&b.1.started, &b.0)));
    let mut names: Vec<&str> = Vec::new();
    for f in reports.iter().rev().flat_map(|(_, report)| &report.functions).filter(|f| is_single(f)) {
        if !names.contains(&f.name.as_str()) {
            names.push(&f.name);
        }
    }
    let mut functions: Vec<FunctionTrend> = names.iter().map(|name| follow(name, &reports)).collect();
    functions.sort_by_key(|f| f.broken.is_none());
    let run = |(name, report): &(String, Report)| Run {
        name: name.clone(),
        started: report.started.clone(),
        futon: report.futon.clone(),
    };
    Trend { schema: TREND_SCHEMA, runs: reports.iter().map(|r| run(r)).collect(), functions }
}

fn follow(name: &str, reports: &[&(String, Report)]) -> FunctionTrend {
    let of: Vec<Option<&FunctionReport>> =
        reports.iter().map(|(_, report)| report.functions.iter().find(|f| f.name == name && is_single(f))).collect();
    let marks: Vec<Mark> = of.iter().map(|f| f.map_or(Mark::Absent, mark)).collect();
    let count = |wanted: &[Mark]| marks.iter().filter(|mark| wanted.contains(mark)).count();
    let passed = count(&[Mark::Passed, Mark::Flaky]);
    let good = of.iter().enumerate().filter_map(|(run, f)| Some((run, f.filter(|f| f.verdict.is_pass())?)));
    let points: Vec<Point> = good
        .clone()
        .map(|(run, f)| Point {
            run,
            duration_ms: f.duration_ms,
            p50_ms: f.invocations.as_ref().and_then(|calls| calls.latency_ms).map(|latency| latency.p50),
        })
        .collect();
    let middle = |values: Vec<f64>| (!values.is_empty()).then(|| median(&values));
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let durations = points.iter().map(|point| point.duration_ms as f64).collect();
    FunctionTrend {
        name: name.to_owned(),
        passed: rate(passed, passed + count(&[Mark::Failed])),
        median_ms: middle(durations),
        median_p50_ms: middle(points.iter().filter_map(|point| point.p50_ms).collect()),
        emulated: good.clone().any(|(_, f)| f.invocations.as_ref().is_some_and(|calls| !calls.latency_is_performance)),
        broken: broken(&marks, &of, reports),
        marks,
        points,
    }
}

fn mark(f: &FunctionReport) -> Mark {
    match f.verdict.outcome {
        Outcome::Passed if f.is_flaky() => Mark::Flaky,
        Outcome::Passed => Mark::Passed,
        Outcome::Infra | Outcome::NotRun => Mark::Unknown,
        _ if f.verdict.never_came_up() => Mark::Unknown,
        Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => Mark::Failed,
    }
}

/// Since when a function fails, if the last verdict on it is a failure.
fn broken(marks: &[Mark], of: &[Option<&FunctionReport>], reports: &[&(String, Report)]) -> Option<Break> {
    let good = |mark: &Mark| matches!(mark, Mark::Passed | Mark::Flaky);
    let last_good = marks.iter().rposition(good);
    let after = last_good.map_or(0, |run| run + 1);
    let first_bad = after + marks[after..].iter().position(|mark| *mark == Mark::Failed)?;
    let bad = of[first_bad]?;
    let (inputs, unknown) = match last_good.and_then(|run| Some((run, of[run]?))) {
        Some((run, good)) => changes(&[(good, bad)], &reports[run].1, &reports[first_bad].1),
        None => (Vec::new(), Vec::new()),
    };
    Some(Break { last_good, first_bad, verdict: Brief::of(bad), inputs, inputs_known: unknown.is_empty() })
}

#[cfg(test)]
#[path = "trend_tests.rs"]
mod tests;
