//! Lines for people.

use futon_model::{FunctionReport, Report, StepReport};

use futon_common::text::duration;

/// The steps of a function on one line: `boot 12.1 s · pull 2.0 s · …`.
#[must_use]
pub fn step_line(function: &FunctionReport) -> String {
    let one = |step: &StepReport| match (step.duration_ms, step.exit_status) {
        (Some(ms), Some(0)) if step.cached => format!("{} {} (cached)", step.name, duration(ms)),
        (Some(ms), Some(0)) => format!("{} {}", step.name, duration(ms)),
        (Some(ms), _) => format!("{} ✗ {}", step.name, duration(ms)),
        (None, _) => format!("{} …", step.name),
    };
    function.steps.iter().map(one).collect::<Vec<_>>().join(" · ")
}

/// `3 functions: 2 passed, 1 failed in 61.2 s`.
#[must_use]
pub fn summary_line(report: &Report) -> String {
    let s = &report.summary;
    let flaky = if s.flaky > 0 { format!(" ({} flaky)", s.flaky) } else { String::new() };
    let mut parts = vec![format!("{} passed{flaky}", s.passed)];
    for (count, word) in
        [(s.failed, "failed"), (s.infra, "not judged: host or base image failed"), (s.not_run, "not run")]
    {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let noun = if s.total == 1 { "function" } else { "functions" };
    format!("{} {noun}: {} in {}", s.total, parts.join(", "), duration(report.duration_ms))
}
