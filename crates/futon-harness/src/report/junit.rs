//! JUnit XML, for CI systems that show it: one test case per function.

use std::time::Duration;

use chrono::DateTime;
use futon_common::{Context, Result};
use futon_model::{Accelerator, Attempt, FunctionReport, MachineKind, Outcome, Report};
use quick_junit::{NonSuccessKind, Property, Report as Junit, TestCase, TestCaseStatus, TestRerun, TestSuite};

/// Name of the suite, and of each test case's class.
const NAME: &str = "futon";

/// A report in JUnit's format.
///
/// # Errors
/// When it cannot be written as XML.
pub fn junit(report: &Report) -> Result<String> {
    let mut suite = TestSuite::new(NAME);
    if let Ok(started) = DateTime::parse_from_rfc3339(&report.started) {
        suite.set_timestamp(started);
    }
    suite.set_time(Duration::from_millis(report.duration_ms));
    suite.add_property(("futon", report.futon.as_str()));
    suite.add_test_cases(report.functions.iter().map(test_case));
    let mut whole = Junit::new(NAME);
    whole.set_time(Duration::from_millis(report.duration_ms)).add_test_suite(suite);
    whole.to_string().context(|| "cannot write the report as XML".into())
}

fn test_case(f: &FunctionReport) -> TestCase {
    let mut status = match kind(f.verdict.outcome, f.verdict.never_came_up()) {
        Kind::Passed => TestCaseStatus::success(),
        Kind::NotRun => TestCaseStatus::skipped(),
        Kind::Bad(kind) => TestCaseStatus::non_success(kind),
    };
    let step = f.verdict.step.as_deref().unwrap_or("run");
    status.set_message(text(&format!("{} in {step}: {}", f.verdict.outcome.word(), f.verdict.why)));
    status.set_type(f.verdict.code.word());
    if let Some(hint) = &f.verdict.hint {
        status.set_description(text(&format!("hint: {hint}")));
    }
    status.add_reruns(f.earlier.iter().map(rerun));
    let mut case = TestCase::new(text(&f.label()), status);
    case.set_classname(NAME).set_time(Duration::from_millis(f.duration_ms));
    case.add_properties(properties(f));
    if !f.console_tail.is_empty() {
        case.set_system_out(text(&f.console_tail.join("\n")));
    }
    let container: Vec<&str> = f.container_crash.iter().chain(&f.container_tail).map(String::as_str).collect();
    if !container.is_empty() {
        case.set_system_err(text(&container.join("\n")));
    }
    case
}

/// What an outcome is to JUnit: a failure is the function's, an error the host's.
enum Kind {
    Passed,
    NotRun,
    Bad(NonSuccessKind),
}

fn kind(outcome: Outcome, never_came_up: bool) -> Kind {
    match outcome {
        Outcome::Passed => Kind::Passed,
        Outcome::NotRun => Kind::NotRun,
        Outcome::Infra => Kind::Bad(NonSuccessKind::Error),
        _ if never_came_up => Kind::Bad(NonSuccessKind::Error),
        Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => Kind::Bad(NonSuccessKind::Failure),
    }
}

/// An earlier attempt: `flakyFailure` if a later one passed, else `rerunFailure`.
fn rerun(attempt: &Attempt) -> TestRerun {
    let mut rerun = TestRerun::new(match kind(attempt.outcome, attempt.never_came_up()) {
        Kind::Bad(kind) => kind,
        // Nobody tries these again.
        Kind::Passed | Kind::NotRun => NonSuccessKind::Error,
    });
    rerun.set_time(Duration::from_millis(attempt.duration_ms));
    rerun.set_message(text(&attempt.line())).set_type(attempt.code.word());
    if !attempt.folder.is_empty() {
        rerun.set_description(text(&format!("results: {}", attempt.folder)));
    }
    rerun
}

/// What a program may want to know of a function's run, beside its outcome.
fn properties(f: &FunctionReport) -> Vec<Property> {
    let m = &f.machine;
    let kind = match m.kind {
        MachineKind::Qemu => "qemu",
        MachineKind::Gem5 => "gem5",
        MachineKind::Fake => "fake",
    };
    let mut all = vec![("verdict.outcome", f.verdict.outcome.word().to_owned())];
    all.push(("verdict.code", f.verdict.code.word()));
    all.extend(f.verdict.step.iter().map(|step| ("verdict.step", step.clone())));
    all.push(("attempts", f.attempts.to_string()));
    all.push(("machine.kind", kind.to_owned()));
    if m.accelerator != Accelerator::None {
        all.push(("machine.accelerator", m.accelerator.word().to_owned()));
    }
    all.extend([("machine.version", &m.version), ("base_image", &m.base_image), ("kernel", &m.kernel)].map(own));
    let mut properties: Vec<Property> =
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| property(name, &value)).collect();
    properties.extend(f.cell.iter().map(|cell| property("cell", &cell.digest)));
    for image in &f.digests {
        if let Some(digest) = &image.manifest {
            properties.push(property(&format!("image {}", image.reference.written()), &digest.to_string()));
        }
    }
    if !f.folder.is_empty() {
        properties.push(property("results", &f.folder));
    }
    properties
}

fn own((name, value): (&'static str, &String)) -> (&'static str, String) {
    (name, value.clone())
}

fn property(name: &str, value: &str) -> Property {
    Property::new(text(name), text(value))
}

/// Text without the characters that XML 1.0 does not have and that `quick-junit` leaves in. It drops the others, and colours, itself.
fn text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "")
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
