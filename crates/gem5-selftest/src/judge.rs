//! From what was counted to what is said.

use serde::Serialize;

use crate::expect::number;
use crate::model::Model;
use crate::suite::{Figure, REPEATS, Test};
use crate::work::Work;

/// What gem5 counted on the measured core in a work item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Cycles in which the core was active.
    pub cycles: f64,
    /// Instructions.
    pub instructions: f64,
    /// Misses in the data TLB.
    pub tlb_misses: f64,
    /// Mispredicted branches; none where the core predicts none.
    pub mispredictions: Option<f64>,
}

/// What became of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Within the tolerance.
    Ok,
    /// Outside.
    Off,
    /// The machine cannot have it.
    NotApplicable,
    /// It should have been measured, and was not.
    NotMeasured,
}

/// A test and its figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// Name of the test.
    pub test: &'static str,
    /// Unit of its figures.
    pub unit: &'static str,
    /// What became of it.
    pub state: State,
    /// The figure that the parameters make.
    pub expected: Option<f64>,
    /// What was measured.
    pub measured: Option<f64>,
    /// How far the two may be apart.
    pub tolerance: Option<f64>,
    /// What the expected figure is made of.
    pub formula: Option<String>,
    /// Why the tolerance is what it is.
    pub tolerance_because: &'static str,
    /// The programs, in the words of the guest's tool.
    pub programs: Vec<String>,
    /// Why there is no figure.
    pub why: Option<String>,
}

/// Instructions of a work item beside its program's: the marks' own, and a share for branches that a random sequence does not halve.
const MORE: f64 = 250.0;
const MORE_SHARE: f64 = 0.01;

/// Judges all tests. `samples` are those of [`crate::suite::work_items`], in that order; none where a row is missing.
#[must_use]
pub fn judge(tests: &[Test], items: &[Work], samples: &[Option<Sample>], model: &Model) -> Vec<Judged> {
    let sample = |work: &Work| best(work, items, samples);
    tests.iter().map(|test| judge_one(test, &sample, model)).collect()
}

/// The sample of a program into which nothing else fell: the one with the fewest instructions.
fn best(work: &Work, items: &[Work], samples: &[Option<Sample>]) -> Result<Sample, String> {
    let of_work = items.iter().zip(samples).filter(|(item, _)| *item == work);
    let least = of_work
        .filter_map(|(_, sample)| *sample)
        .min_by(|one, other| one.instructions.total_cmp(&other.instructions))
        .ok_or_else(|| format!("gem5's statistics have nothing of {work}"))?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let planned = work.instructions() as f64;
    let off = least.instructions - planned;
    if off.abs() > MORE + MORE_SHARE * planned {
        return Err(format!(
            "{work} has {planned} instructions, and the core executed {} in the best of {REPEATS} work items: it was interrupted, or did something else",
            number(least.instructions)
        ));
    }
    Ok(least)
}

impl Judged {
    /// A test of which nothing is known yet: the machine cannot have it.
    #[must_use]
    pub fn of(test: &Test) -> Self {
        Self {
            test: test.name,
            unit: test.unit,
            state: State::NotApplicable,
            expected: None,
            measured: None,
            tolerance: None,
            formula: None,
            tolerance_because: test.tolerance,
            programs: Vec::new(),
            why: None,
        }
    }
}

fn judge_one(test: &Test, sample: &dyn Fn(&Work) -> Result<Sample, String>, model: &Model) -> Judged {
    let mut judged = Judged::of(test);
    let works = match &test.works {
        Ok(works) => works,
        Err(why) => return Judged { why: Some(why.clone()), ..judged },
    };
    judged.programs = works.iter().map(ToString::to_string).collect();
    let expected = match (test.expected)(model) {
        Ok(expected) => expected,
        Err(why) => return Judged { why: Some(why), ..judged },
    };
    judged.expected = Some(expected.value);
    judged.tolerance = Some(expected.allowed);
    judged.formula = Some(expected.formula);
    let measured = works
        .iter()
        .map(|work| Ok((*work, sample(work)?)))
        .collect::<Result<Vec<_>, String>>()
        .and_then(|samples| figure(test.figure, &samples));
    match measured {
        Ok(measured) => {
            // What is no number is off, too.
            let within = (measured - expected.value).abs() <= expected.allowed;
            Judged { state: if within { State::Ok } else { State::Off }, measured: Some(measured), ..judged }
        }
        Err(why) => Judged { state: State::NotMeasured, why: Some(why), ..judged },
    }
}

fn figure(figure: Figure, samples: &[(Work, Sample)]) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let each = |value: f64, work: &Work| value / work.count() as f64;
    let missing = || "gem5's statistics have no mispredicted branches".to_owned();
    Ok(match (figure, samples) {
        (Figure::Cycles, [(work, sample)]) => each(sample.cycles, work),
        (Figure::TlbMisses, [(work, sample)]) => each(sample.tlb_misses, work),
        (Figure::Mispredictions, [(work, sample)]) => each(sample.mispredictions.ok_or_else(missing)?, work),
        (Figure::CyclesPerTlbMiss, [(one, before), (other, after)]) => {
            let more = each(after.tlb_misses, other) - each(before.tlb_misses, one);
            (each(after.cycles, other) - each(before.cycles, one)) / more
        }
        (Figure::CyclesPerMisprediction, [(_, before), (_, after)]) => {
            let of = |sample: &Sample| sample.mispredictions.ok_or_else(missing);
            (after.cycles - before.cycles) / (of(after)? - of(before)?)
        }
        _ => return Err("another number of programs".into()),
    })
}

/// How many tests have come to a state.
#[must_use]
pub fn count(all: &[Judged], state: State) -> usize {
    all.iter().filter(|judged| judged.state == state).count()
}

/// The table for people.
#[must_use]
pub fn table(all: &[Judged]) -> String {
    let head = ["test", "unit", "expected", "measured", "tolerance", ""].map(str::to_owned);
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let mut rows = vec![head];
    for judged in all {
        let verdict = match judged.state {
            State::Ok => "ok".to_owned(),
            State::Off => "OFF".to_owned(),
            State::NotApplicable => format!("not applicable: {}", judged.why.as_deref().unwrap_or_default()),
            State::NotMeasured => format!("not measured: {}", judged.why.as_deref().unwrap_or_default()),
        };
        let tolerance = judged.tolerance.map_or_else(|| "-".to_owned(), |allowed| format!("±{}", number(allowed)));
        rows.push([
            judged.test.to_owned(),
            judged.unit.to_owned(),
            figure(judged.expected),
            figure(judged.measured),
            tolerance,
            verdict,
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths.get(column).map_or(0, |width| width - cell.chars().count()));
            // Words to the left, numbers to the right.
            line += &if column < 2 || column == 5 { format!("{cell}{pad}  ") } else { format!("{pad}{cell}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The same for programs, as CSV.
#[must_use]
pub fn csv(all: &[Judged]) -> String {
    let figure = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "test,unit,state,expected,measured,tolerance,formula,why\n".to_owned();
    for judged in all {
        let state = match judged.state {
            State::Ok => "ok",
            State::Off => "off",
            State::NotApplicable => "not_applicable",
            State::NotMeasured => "not_measured",
        };
        let cells = [
            quoted(judged.test),
            quoted(judged.unit),
            state.to_owned(),
            figure(judged.expected),
            figure(judged.measured),
            figure(judged.tolerance),
            quoted(judged.formula.as_deref().unwrap_or_default()),
            quoted(judged.why.as_deref().unwrap_or_default()),
        ];
        text += &cells.join(",");
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
