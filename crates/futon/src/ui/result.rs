//! Results: the table at the end, or JSON.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use futon_host::report::{duration, step_line, summary_line};
use futon_host::{Context, Result};
use futon_model::{FunctionReport, Outcome, Proof, Report};

use super::progress::{BAD, Ui};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Lines of a log that the table shows.
const SHOWN: usize = 8;

impl Ui {
    /// Prints a report on standard output.
    pub fn result(&mut self, report: &Report) -> Result<()> {
        self.stop();
        let text = if self.json() {
            serde_json::to_string_pretty(report).context(|| "cannot write the report".into())?
        } else {
            table(report)
        };
        print(&text)
    }

    /// Prints a line, or a program's JSON, on standard output.
    pub fn out(&self, text: &str) -> Result<()> {
        print(text)
    }
}

fn print(text: &str) -> Result<()> {
    match writeln!(anstream::stdout().lock(), "{text}") {
        // A reader that has seen enough (`| head`) is no failure.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "cannot write to standard output".into()),
    }
}

/// A reason in a line for people: the program's own long words are in the report.
pub fn brief(reason: &str) -> String {
    const ROOM: usize = 72;
    let words = reason.split(" (QEMU:").next().unwrap_or(reason);
    if words.chars().count() <= ROOM {
        return words.to_owned();
    }
    words.chars().take(ROOM).chain(['…']).collect()
}

fn table(report: &Report) -> String {
    let width = report.functions.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut lines = vec![String::new()];
    for function in &report.functions {
        lines.extend(function_lines(function, width));
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
    lines.push(format!("{BOLD}{}{BOLD:#}", summary_line(report)));
    lines.join("\n")
}

fn function_lines(f: &FunctionReport, width: usize) -> Vec<String> {
    let style = match f.verdict.outcome {
        Outcome::Passed => GOOD,
        Outcome::NotRun | Outcome::Infra => ODD,
        Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => BAD,
    };
    let mut head =
        format!("{:width$}  {style}{:9}{style:#}  {:>8}", f.name, f.verdict.outcome.word(), duration(f.duration_ms));
    if let Some(calls) = &f.invocations {
        head.push_str(&format!("  {} of {} replies verified", calls.verified, calls.planned));
        if let Some(latency) = &calls.latency_ms {
            let note = if calls.latency_is_performance { "" } else { ", emulated: no performance result" };
            head.push_str(&format!(" {FAINT}(p50 {:.1} ms, p99 {:.1} ms{note}){FAINT:#}", latency.p50, latency.p99));
        }
    }
    if f.proof == Proof::Log {
        head.push_str(&format!("  {ODD}proof: log only{ODD:#}"));
    }
    let mut lines = vec![head];
    if !f.steps.is_empty() {
        lines.push(format!("    {FAINT}{}{FAINT:#}", step_line(f)));
    }
    if !f.verdict.is_pass() {
        let step = f.verdict.step.as_deref().unwrap_or("run");
        lines.push(format!("    {style}{step}:{style:#} {}", f.verdict.why));
        if let Some(hint) = &f.verdict.hint {
            lines.push(format!("    {FAINT}hint:{FAINT:#} {hint}"));
        }
        for (what, tail) in [("container.log", &f.container_tail), ("console.log", &f.console_tail)] {
            if !tail.is_empty() {
                lines.push(format!("    last lines of {what}:"));
                lines.extend(
                    tail.iter().skip(tail.len().saturating_sub(SHOWN)).map(|l| format!("      {FAINT}{l}{FAINT:#}")),
                );
            }
        }
        lines.push(format!("    everything is kept in {}", f.folder));
    }
    lines.extend(f.remarks.iter().map(|r| format!("    {ODD}note:{ODD:#} {r}")));
    lines
}
