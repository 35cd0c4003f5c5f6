//! `futon report diff`: what differs between two runs.

use std::collections::BTreeMap;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use futon_cli::ReportDiffArgs;
use futon_common::text::one_line;
use futon_common::{Context, Result};
use futon_model::{ExitCode, beginning};
use futon_terminal::{Ui, columns, wrap};
use report_diff::{
    Brief, Diff, FigureChange, InputChange, PackageChange, Samples, Side, VerdictChange, VerdictKind, diff,
};

use super::samples::samples;
use super::stored::Stored;
use futon_prepare::packages::packages_of_run;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();
const BOLD: Style = Style::new().bold();

/// Compares two reports.
pub fn compare(args: &ReportDiffArgs, ui: &mut Ui) -> Result<ExitCode> {
    let (a, b) = (Stored::read(&args.a)?, Stored::read(&args.b)?);
    ui.start("comparing");
    let found = diff(&side(&args.a, &a), &side(&args.b, &b));
    ui.stop();
    let text = if args.json {
        serde_json::to_string_pretty(&found).context(|| "cannot write the comparison".into())?
    } else {
        Page::of(&found, columns())
    };
    ui.out(&text)?;
    let changed = args.fail_on_change && found.matters(args.emulated);
    Ok(if changed { ExitCode::Failed } else { ExitCode::Passed })
}

fn side<'a>(path: &Path, stored: &'a Stored) -> Side<'a> {
    let samples: BTreeMap<String, Samples> =
        stored.report.functions.iter().map(|f| (f.name.clone(), samples(stored, f))).collect();
    Side {
        name: path.display().to_string(),
        report: &stored.report,
        samples,
        packages: packages_of_run(&stored.folder),
    }
}

/// The comparison for people.
struct Page {
    lines: Vec<String>,
    columns: usize,
}

impl Page {
    fn of(found: &Diff, columns: usize) -> String {
        let mut page = Self { lines: Vec::new(), columns };
        for (letter, side) in [("A", &found.a), ("B", &found.b)] {
            let s = side.summary;
            page.push(
                0,
                "",
                &format!(
                    "{letter}: {}, {}, futon {}: {} of {} passed",
                    side.name, side.started, side.futon, s.passed, s.total
                ),
            );
        }
        page.verdicts(found);
        page.figures(found);
        page.inputs(&found.inputs);
        page.packages(&found.packages);
        for note in &found.notes {
            page.push(0, &format!("{ODD}note:{ODD:#} "), note);
        }
        page.lines.join("\n")
    }

    /// A text after a lead, in as many lines as it takes.
    fn push(&mut self, indent: usize, lead: &str, text: &str) {
        let plain = anstream::adapter::strip_str(lead).to_string().chars().count();
        // A report may come from anywhere: its words must not steer the terminal.
        let text = &one_line(text);
        // A lead that takes half of a line has a line of its own.
        let alone = plain * 2 > self.columns;
        let hang = if alone { indent + 2 } else { indent + plain };
        let mut before = format!("{:indent$}{lead}", "");
        if alone {
            self.lines.push(std::mem::replace(&mut before, " ".repeat(hang)));
        }
        for line in wrap(text, self.columns.saturating_sub(hang).max(10)) {
            self.lines.push(format!("{before}{line}"));
            before = " ".repeat(hang);
        }
    }

    fn title(&mut self, text: &str) {
        self.push(0, "", text);
        if let Some(last) = self.lines.last_mut() {
            *last = format!("{BOLD}{last}{BOLD:#}");
        }
    }

    fn verdicts(&mut self, found: &Diff) {
        if found.verdicts.is_empty() {
            self.title(&match found.compared {
                0 => "verdicts: no function is in both".to_owned(),
                1 => "verdicts: the same for the one function that is in both".to_owned(),
                all => format!("verdicts: the same for all {all} functions that are in both"),
            });
        } else {
            self.title(&format!("verdicts: {} of {} changed", found.verdicts.len(), found.compared));
        }
        for change in &found.verdicts {
            let style = match change.kind {
                VerdictKind::NewFailure => BAD,
                VerdictKind::NoVerdict | VerdictKind::OtherFailure | VerdictKind::Flaky => ODD,
                VerdictKind::Fixed | VerdictKind::Steady => GOOD,
            };
            self.push(2, &format!("{style}{}{style:#} ", one_line(&change.function)), &verdict_text(change));
        }
        for (names, letter) in [(&found.only_in_a, "A"), (&found.only_in_b, "B")] {
            if !names.is_empty() {
                self.push(2, &format!("only in {letter}: "), &names.join(", "));
            }
        }
    }

    fn figures(&mut self, found: &Diff) {
        if found.figures.is_empty() {
            return;
        }
        let beyond = found.figures.iter().filter(|figure| figure.beyond_noise).count();
        self.title(&format!(
            "figures: {beyond} of {} differ by more than noise (permutation tests, Benjamini-Hochberg, false discoveries at most {:.0}%)",
            found.figures.len(),
            100.0 * found.false_discoveries
        ));
        for figure in found.figures.iter().filter(|figure| figure.beyond_noise) {
            self.push(2, &format!("{BOLD}{}{BOLD:#} ", one_line(&figure.function)), &figure_text(figure));
        }
    }

    fn inputs(&mut self, inputs: &[InputChange]) {
        if inputs.is_empty() {
            return;
        }
        self.title("inputs that changed");
        for change in inputs {
            let of = if change.all { String::new() } else { format!(" ({})", change.functions.join(", ")) };
            self.push(2, "", &(changed(&change.name, &change.a, &change.b) + &of));
        }
    }

    fn packages(&mut self, packages: &[PackageChange]) {
        if packages.is_empty() {
            return;
        }
        self.title(&format!("packages of the base that changed: {}", packages.len()));
        for change in packages {
            self.push(2, "", &changed(&change.name, &change.a, &change.b));
        }
    }
}

fn verdict_text(change: &VerdictChange) -> String {
    let brief = |v: &Brief| {
        let flaky = if v.flaky { " (flaky)" } else { "" };
        let step = v.step.as_deref().map(|step| format!(" in {step}")).unwrap_or_default();
        format!("{}{flaky}{step}", v.outcome.word())
    };
    let why = match change.kind {
        VerdictKind::Fixed | VerdictKind::Steady | VerdictKind::Flaky => String::new(),
        _ => format!(": {} ({})", change.b.why, change.b.code.word()),
    };
    format!("{} → {}{why}", brief(&change.a), brief(&change.b))
}

fn figure_text(figure: &FigureChange) -> String {
    let FigureChange { medians: [a, b], counts: [n, m], .. } = figure;
    let part = figure.change.map(|part| format!(" ({:+.1}%)", 100.0 * part)).unwrap_or_default();
    let note = if figure.is_performance { "" } else { ", emulated: not a performance result" };
    format!(
        "{}: median {} → {} {}{part}, {n} and {m} calls, p {}, adjusted {}{note}",
        figure.figure,
        number(*a),
        number(*b),
        figure.unit,
        chance(figure.p),
        chance(figure.q)
    )
}

/// With as many digits as say something.
fn number(value: f64) -> String {
    let digits = if value.abs() >= 1000.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        3
    };
    format!("{value:.digits$}")
}

fn chance(p: f64) -> String {
    if p < 0.001 { format!("{p:.4}") } else { format!("{p:.3}") }
}

/// What something was and is.
fn changed(name: &str, a: &Option<String>, b: &Option<String>) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), short);
    format!("{name}: {} → {}", value(a), value(b))
}

/// A digest by its first digits.
fn short(value: &str) -> String {
    let shown = beginning(value);
    if shown.len() < value.len() { format!("{shown}…") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fits_narrow_and_wide_terminals() {
        let mut page = Page { lines: Vec::new(), columns: 40 };
        page.push(2, &format!("{BAD}fibonacci-go{BAD:#} "), &"word ".repeat(30));
        page.push(2, "a-very-long-name-of-a-function ", "short\u{1b}[2J");
        let plain: Vec<String> = page.lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert!(plain.iter().all(|line| line.chars().count() <= 40), "{plain:?}");
        assert!(page.lines.last().is_some_and(|line| line.ends_with("short\\u{1b}[2J")), "{:?}", page.lines);
        assert!(plain[1].starts_with("               word"), "{plain:?}");
        assert_eq!((number(1234.5), number(12.34), number(1.2345)), ("1234".into(), "12.3".into(), "1.234".into()));
        assert_eq!(short(&format!("sha256:{}", "ab".repeat(32))), "sha256:abababababab…");
    }
}
