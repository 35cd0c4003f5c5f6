//! Two reports side by side.

use std::collections::BTreeMap;

use futon_model::{Accelerator, Code, FunctionReport, Outcome, Report, Summary};
use serde::Serialize;

use crate::inputs::{InputChange, changes};
use crate::noise::{adjusted, compare, median};
use crate::packages::{PackageChange, Packages, package_changes};

/// Name and version of the form of [`Diff`] as JSON.
pub const DIFF_SCHEMA: &str = "futon.diff/1";

/// Of the figures that are said to differ, at most this part does so by chance, on average.
pub const FALSE_DISCOVERIES: f64 = 0.05;

/// One figure's measured values.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Name: `latency`, `cpi`.
    pub figure: String,
    /// Unit: `ms`.
    pub unit: String,
    /// A value for each call.
    pub values: Vec<f64>,
}

/// What was measured of a function, beyond what a report holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// By figure.
    pub figures: Vec<Values>,
    /// Why there is less than one might expect.
    pub missing: Option<String>,
}

/// A report and its samples.
#[derive(Debug)]
pub struct Side<'a> {
    /// What it is called.
    pub name: String,
    /// The report.
    pub report: &'a Report,
    /// Samples by function.
    pub samples: BTreeMap<String, Samples>,
    /// The base's packages, if they are known.
    pub packages: Packages,
}

/// What differs between report A, the earlier one, and report B.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// [`DIFF_SCHEMA`].
    pub schema: &'static str,
    /// The earlier report.
    pub a: SideReport,
    /// The later report.
    pub b: SideReport,
    /// Functions that are in both.
    pub compared: usize,
    /// Verdicts that changed: new failures first.
    pub verdicts: Vec<VerdictChange>,
    /// Functions that only A has.
    pub only_in_a: Vec<String>,
    /// Functions that only B has.
    pub only_in_b: Vec<String>,
    /// Figures that could be compared: those beyond noise first.
    pub figures: Vec<FigureChange>,
    /// [`FALSE_DISCOVERIES`].
    pub false_discoveries: f64,
    /// Inputs that are not the same.
    pub inputs: Vec<InputChange>,
    /// Packages of the base that are not the same.
    pub packages: Vec<PackageChange>,
    /// What a reader must know to read the rest.
    pub notes: Vec<String>,
}

/// What a side is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideReport {
    /// What it is called.
    pub name: String,
    /// Start of the run.
    pub started: String,
    /// futon's version.
    pub futon: String,
    /// Counts.
    pub summary: Summary,
}

/// A function whose verdict changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictChange {
    /// The function.
    pub function: String,
    /// What became of it.
    pub kind: VerdictKind,
    /// Whether it is worse than before.
    pub worse: bool,
    /// Its verdict before.
    pub a: Brief,
    /// Its verdict after.
    pub b: Brief,
}

/// How a verdict changed, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// It fails, and did not.
    NewFailure,
    /// Nothing is known of it any more: the host failed, or it was not run.
    NoVerdict,
    /// It fails in another way.
    OtherFailure,
    /// It passes, but not at the first attempt.
    Flaky,
    /// It passes, and did not.
    Fixed,
    /// It passes at the first attempt again.
    Steady,
}

/// A verdict in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Brief {
    /// How it ended.
    pub outcome: Outcome,
    /// The step that decided it.
    pub step: Option<String>,
    /// Why, for programs.
    pub code: Code,
    /// Why, for people.
    pub why: String,
    /// Whether it passed at a later attempt.
    pub flaky: bool,
}

/// A figure in both reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureChange {
    /// The function.
    pub function: String,
    /// The figure.
    pub figure: String,
    /// Its unit.
    pub unit: String,
    /// Number of values before and after.
    pub counts: [usize; 2],
    /// Median before and after.
    pub medians: [f64; 2],
    /// What is more, as a part of the median before; absent where that is 0.
    pub change: Option<f64>,
    /// How likely chance alone looks like this.
    pub p: f64,
    /// The same, adjusted for the number of figures (Benjamini and Hochberg).
    pub q: f64,
    /// Whether it differs by more than noise: q is at most [`FALSE_DISCOVERIES`].
    pub beyond_noise: bool,
    /// Whether so few values could show a difference, if this were the only figure.
    pub enough_values: bool,
    /// False under emulation: then it does not measure performance.
    pub is_performance: bool,
}

impl Brief {
    pub(crate) fn of(f: &FunctionReport) -> Self {
        Self {
            outcome: f.verdict.outcome,
            step: f.verdict.step.clone(),
            code: f.verdict.code,
            why: f.verdict.why.clone(),
            flaky: f.is_flaky(),
        }
    }
}

impl Diff {
    /// Whether something is worse, is not there any more, or differs by more than noise. Times of an emulated machine count only if that is wanted: they do not
    /// measure performance.
    #[must_use]
    pub fn matters(&self, emulated: bool) -> bool {
        self.verdicts.iter().any(|v| v.worse)
            || !self.only_in_a.is_empty()
            || self.figures.iter().any(|f| f.beyond_noise && (f.is_performance || emulated))
    }
}

/// Compares two reports.
#[must_use]
pub fn diff(a: &Side<'_>, b: &Side<'_>) -> Diff {
    let find = |report: &'_ Report, name: &str| report.functions.iter().position(|f| f.name == name && is_single(f));
    let pairs: Vec<(&FunctionReport, &FunctionReport)> = b
        .report
        .functions
        .iter()
        .filter(|f| is_single(f))
        .filter_map(|after| Some((&a.report.functions[find(a.report, &after.name)?], after)))
        .collect();
    let without = |these: &Report, others: &Report| -> Vec<String> {
        these
            .functions
            .iter()
            .filter(|f| is_single(f))
            .map(|f| f.name.clone())
            .filter(|name| find(others, name).is_none())
            .collect()
    };
    let mut verdicts: Vec<VerdictChange> = pairs.iter().filter_map(|(a, b)| verdict(a, b)).collect();
    verdicts.sort_by_key(|change| change.kind);
    let mut notes = Vec::new();
    if [a, b].iter().any(|side| !side.report.functions.iter().all(is_single)) {
        notes.push("the many runs of `--stress` are not compared one by one: see their rates".to_owned());
    }
    let figures = figures(&pairs, a, b, &mut notes);
    let (inputs, unknown) = changes(&pairs, a.report, b.report);
    if !unknown.is_empty() {
        notes.push(format!(
            "{}: a report does not say which base image, kernel and calls it used, so a change of these is not seen",
            some(&unknown)
        ));
    }
    let side = |side: &Side<'_>| SideReport {
        name: side.name.clone(),
        started: side.report.started.clone(),
        futon: side.report.futon.clone(),
        summary: side.report.summary,
    };
    Diff {
        schema: DIFF_SCHEMA,
        a: side(a),
        b: side(b),
        compared: pairs.len(),
        verdicts,
        only_in_a: without(a.report, b.report),
        only_in_b: without(b.report, a.report),
        figures,
        false_discoveries: FALSE_DISCOVERIES,
        inputs,
        packages: package_changes(&a.packages, &b.packages),
        notes,
    }
}

/// Whether it is the only run of its function in the report.
pub(crate) fn is_single(f: &FunctionReport) -> bool {
    f.run.is_none()
}

/// A few names, and how many more there are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

/// What is known of a function.
#[derive(PartialEq)]
enum Known {
    Works,
    Fails,
    Nothing,
}

fn known(f: &FunctionReport) -> Known {
    match f.verdict.outcome {
        Outcome::Passed => Known::Works,
        Outcome::Infra | Outcome::NotRun => Known::Nothing,
        _ if f.verdict.never_came_up() => Known::Nothing,
        Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => Known::Fails,
    }
}

fn verdict(a: &FunctionReport, b: &FunctionReport) -> Option<VerdictChange> {
    let reason = |f: &FunctionReport| (f.verdict.code, f.verdict.step.clone());
    let kind = match (known(a), known(b)) {
        (Known::Works, Known::Works) if a.is_flaky() == b.is_flaky() => return None,
        (Known::Works, Known::Works) if b.is_flaky() => VerdictKind::Flaky,
        (Known::Works, Known::Works) => VerdictKind::Steady,
        (Known::Nothing, Known::Nothing) => return None,
        (Known::Fails, Known::Fails) if reason(a) == reason(b) => return None,
        (Known::Fails, Known::Fails) => VerdictKind::OtherFailure,
        (_, Known::Fails) => VerdictKind::NewFailure,
        (_, Known::Works) => VerdictKind::Fixed,
        (_, Known::Nothing) => VerdictKind::NoVerdict,
    };
    let worse = kind == VerdictKind::NewFailure || kind == VerdictKind::NoVerdict && known(a) == Known::Works;
    Some(VerdictChange { function: b.name.clone(), kind, worse, a: Brief::of(a), b: Brief::of(b) })
}

/// The figures of functions that passed in both: calls that failed are not measured.
fn figures(
    pairs: &[(&FunctionReport, &FunctionReport)],
    a: &Side<'_>,
    b: &Side<'_>,
    notes: &mut Vec<String>,
) -> Vec<FigureChange> {
    let (none, mut found, mut emulated) = (Samples::default(), Vec::new(), Vec::new());
    let mut missing: BTreeMap<(&String, &str), Vec<String>> = BTreeMap::new();
    for (before, after) in pairs.iter().filter(|(a, b)| a.verdict.is_pass() && b.verdict.is_pass()) {
        let [old, new] = [a, b].map(|side| side.samples.get(&after.name).unwrap_or(&none));
        for (side, samples) in [("A", old), ("B", new)] {
            if let Some(why) = &samples.missing {
                missing.entry((why, side)).or_default().push(after.name.clone());
            }
        }
        for old in &old.figures {
            let Some(new) = new.figures.iter().find(|new| new.figure == old.figure) else { continue };
            let is_performance = !(old.figure == LATENCY && [before, after].iter().any(|f| is_emulated(f)));
            let Some(figure) = figure(&after.name, old, new, is_performance) else { continue };
            if !is_performance {
                emulated.push(after.name.clone());
            }
            found.push(figure);
        }
    }
    let q = adjusted(&found.iter().map(|figure| figure.p).collect::<Vec<_>>());
    for (figure, q) in found.iter_mut().zip(q) {
        (figure.q, figure.beyond_noise) = (q, q <= FALSE_DISCOVERIES);
    }
    found.sort_by_key(|figure| !figure.beyond_noise);
    notes.extend(missing.iter().map(|((why, side), names)| format!("{} in {side}: {why}", some(names))));
    if !emulated.is_empty() {
        notes.push(format!("{}: an emulated machine's latencies do not measure performance", some(&emulated)));
    }
    let few = found.iter().filter(|figure| !figure.enough_values).count();
    if few > 0 {
        notes.push(format!("{few} figures have too few values for any difference to be shown: make more calls"));
    }
    found
}

/// One figure, tested by itself. None without values.
fn figure(function: &str, old: &Values, new: &Values, is_performance: bool) -> Option<FigureChange> {
    let noise = compare(&old.values, &new.values)?;
    let medians = [median(&old.values), median(&new.values)];
    let change = (medians[1] - medians[0]) / medians[0];
    Some(FigureChange {
        function: function.to_owned(),
        figure: old.figure.clone(),
        unit: old.unit.clone(),
        counts: [old.values.len(), new.values.len()],
        medians,
        change: change.is_finite().then_some(change),
        p: noise.p,
        q: 1.0,
        beyond_noise: false,
        enough_values: noise.least <= FALSE_DISCOVERIES,
        is_performance,
    })
}

/// The figure that host time shapes.
pub(crate) const LATENCY: &str = "latency";

fn is_emulated(f: &FunctionReport) -> bool {
    f.machine.accelerator != Accelerator::Kvm
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
