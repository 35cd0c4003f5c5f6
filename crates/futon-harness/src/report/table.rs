//! Lines for people.

use futon_model::{FunctionReport, Report, StepReport, StressReport};

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

/// How often a function failed, of many runs: `f: 3 of 20 runs failed (15%; 95% interval 5% to 36%): wrong_reply 2, call_failed 1`.
#[must_use]
pub fn stress_line(stress: &StressReport) -> String {
    let percent = |part: f64| format!("{:.0}%", 100.0 * part);
    let mut line = format!("{}: {} of {} runs failed", stress.function, stress.failed, stress.judged);
    if let (Some(rate), Some([low, high])) = (stress.failure_rate, stress.interval) {
        line.push_str(&format!(" ({}; 95% interval {} to {})", percent(rate), percent(low), percent(high)));
    }
    if stress.no_verdict > 0 {
        line.push_str(&format!(", {} without a verdict", stress.no_verdict));
    }
    if !stress.codes.is_empty() {
        let mut codes: Vec<(&String, &usize)> = stress.codes.iter().collect();
        codes.sort_by(|a, b| b.1.cmp(a.1));
        let codes: Vec<String> = codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
        line.push_str(&format!(": {}", codes.join(", ")));
    }
    line
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
    let noun = match (report.stress.is_empty(), s.total) {
        (false, _) => "runs",
        (true, 1) => "function",
        (true, _) => "functions",
    };
    format!("{} {noun}: {} in {}", s.total, parts.join(", "), duration(report.duration_ms))
}
