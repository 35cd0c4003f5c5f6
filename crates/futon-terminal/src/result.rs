//! Results: the table at the end, or JSON.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use futon_common::text::duration;
use futon_common::{Context, Result};
use futon_harness::report::{TAIL_SHOWN, step_line, stress_line, summary_line};
use futon_model::{FunctionReport, Outcome, Proof, Report};

use super::progress::{BAD, Ui};
use super::width::{columns, fit};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Columns before a log's line.
const INDENT: usize = 6;

impl Ui {
    /// Prints a report on standard output.
    pub fn result(&mut self, report: &Report) -> Result<()> {
        self.stop();
        let text = if self.json() {
            serde_json::to_string_pretty(report).context(|| "cannot write the report".into())?
        } else {
            table(report)
        };
        self.out(&text)
    }

    /// Prints a line, or a program's JSON, on standard output; on standard error if standard output has events.
    pub fn out(&self, text: &str) -> Result<()> {
        if self.results_aside() {
            return written(writeln!(anstream::stderr().lock(), "{text}"));
        }
        written(writeln!(anstream::stdout().lock(), "{text}"))
    }
}

fn written(result: std::io::Result<()>) -> Result<()> {
    match result {
        // A reader that stops early (`| head`) is not a failure.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "cannot write to standard output".into()),
    }
}

/// A reason in a few words for people: without QEMU's own words and without the hint behind it, which the report has.
pub fn brief(reason: &str) -> String {
    const ROOM: usize = 72;
    let words = reason.split(" (QEMU:").next().unwrap_or(reason);
    fit(words.split(" (hint:").next().unwrap_or(words), ROOM)
}

fn table(report: &Report) -> String {
    let columns = columns();
    let mut lines = vec![String::new()];
    // Of many runs only those are shown that did not pass.
    let shown = || report.functions.iter().filter(|f| f.run.is_none() || !f.verdict.is_pass());
    let width = shown().map(|f| f.label().len()).max().unwrap_or(0);
    for function in shown() {
        lines.extend(function_lines(function, width, columns));
    }
    if let Some(machine) = report.functions.first().map(|f| &f.machine) {
        lines.push(format!(
            "{FAINT}{} · {} ({}) · {} vcpu{}, {} MiB · {}{FAINT:#}",
            machine.version,
            machine.accelerator.word(),
            brief(&machine.accelerator_reason),
            machine.vcpus,
            if machine.vcpus == 1 { "" } else { "s" },
            machine.memory_mib,
            machine.base_image
        ));
    }
    lines.extend(report.stress.iter().map(stress_line));
    lines.push(format!("{BOLD}{}{BOLD:#}", summary_line(report)));
    lines.join("\n")
}

fn function_lines(f: &FunctionReport, width: usize, columns: usize) -> Vec<String> {
    let style = match f.verdict.outcome {
        Outcome::Passed => GOOD,
        Outcome::NotRun | Outcome::Infra => ODD,
        Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => BAD,
    };
    let mut head =
        format!("{:width$}  {style}{:9}{style:#}  {:>8}", f.label(), f.verdict.outcome.word(), duration(f.duration_ms));
    if let (Some(calls), None) = (&f.invocations, &f.load) {
        head.push_str(&format!("  {} of {} replies verified", calls.verified, calls.planned));
        if let Some(latency) = &calls.latency_ms {
            let note = if calls.latency_is_performance { "" } else { ", emulated: not a performance result" };
            head.push_str(&format!(" {FAINT}(p50 {:.1} ms, p99 {:.1} ms{note}){FAINT:#}", latency.p50, latency.p99));
        }
    }
    if f.proof == Proof::Log {
        head.push_str(&format!("  {ODD}proof: log only{ODD:#}"));
    }
    let mut lines = vec![head];
    if let Some(load) = &f.load {
        lines.extend(super::load::lines(load));
    }
    if !f.steps.is_empty() {
        lines.push(format!("    {FAINT}{}{FAINT:#}", step_line(f)));
    }
    if !f.verdict.is_pass() {
        let step = f.verdict.step.as_deref().unwrap_or("run");
        lines.push(format!("    {style}{step}:{style:#} {}", f.verdict.why));
        if let Some(hint) = &f.verdict.hint {
            lines.push(format!("    {FAINT}hint:{FAINT:#} {hint}"));
        }
        let mut log = |title: String, shown: &[String]| {
            if !shown.is_empty() {
                lines.push(format!("    {title}:"));
                let room = columns.saturating_sub(INDENT);
                lines.extend(shown.iter().map(|l| format!("{:INDENT$}{FAINT}{}{FAINT:#}", "", fit(l, room))));
            }
        };
        let last = |tail: &[String]| tail[tail.len().saturating_sub(TAIL_SHOWN)..].to_vec();
        log("container.log around a possible crash".into(), &f.container_crash);
        log("last lines of container.log".into(), &last(&f.container_tail));
        log("last lines of console.log".into(), &last(&f.console_tail));
        if !f.folder.is_empty() {
            lines.push(format!("    all results are in {}", f.folder));
        }
    }
    for (number, attempt) in (1..).zip(&f.earlier) {
        lines.push(format!("    {ODD}attempt {number}:{ODD:#} {}", attempt.line()));
        if !attempt.folder.is_empty() {
            lines.push(format!("      {FAINT}{}{FAINT:#}", attempt.folder));
        }
    }
    lines.extend(f.remarks.iter().map(|r| format!("    {ODD}note:{ODD:#} {r}")));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(verdict: &serde_json::Value, folder: &str, more: &serde_json::Value) -> FunctionReport {
        let mut report = json!({"name": "f", "image": null, "digests": [], "proof": "full", "verdict": verdict, "steps": [],
            "invocations": null, "remarks": [], "duration_ms": 1000, "folder": folder,
            "machine": {"kind": "qemu", "version": "QEMU", "accelerator": "tcg", "accelerator_reason": "no", "vcpus": 2,
                "memory_mib": 2048, "base_image": "b", "kernel": "k"}});
        for (key, value) in more.as_object().unwrap() {
            report[key] = value.clone();
        }
        serde_json::from_value(report).unwrap()
    }

    fn shown(f: &FunctionReport, columns: usize) -> Vec<String> {
        let lines = function_lines(f, 1, columns).join("\n");
        anstream::adapter::strip_str(&lines).to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_of_logs_fit_the_terminal() {
        let failed = json!({"outcome": "failed", "step": "invoke", "code": "call_failed", "why": "no"});
        let long = "x".repeat(10_240);
        let f = report(
            &failed,
            "/runs/f",
            &json!({"container_tail": [long], "container_crash": [long], "console_tail": [long]}),
        );
        for columns in [40, 80] {
            let long: Vec<String> = shown(&f, columns).into_iter().filter(|l| l.contains("xxx")).collect();
            assert_eq!(long.len(), 3);
            assert!(long.iter().all(|l| l.chars().count() == columns), "{long:?}");
        }
    }

    #[test]
    fn a_folder_that_was_not_made_is_not_named() {
        let infra = json!({"outcome": "infra", "step": null, "code": "host_failed", "why": "no"});
        let kept =
            |folder: &str| shown(&report(&infra, folder, &json!({})), 80).iter().any(|l| l.contains("results are in"));
        assert!(!kept("") && kept("/runs/f"));
    }

    #[test]
    fn a_hint_is_left_out_whole() {
        let reason =
            "/dev/kvm is there, but you may not open it (hint: add yourself to the group kvm and log in again)";
        assert_eq!(brief(reason), "/dev/kvm is there, but you may not open it");
    }
}
