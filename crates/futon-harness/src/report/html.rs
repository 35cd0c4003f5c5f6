//! The report as one self-contained HTML page: no scripts, fonts or images from elsewhere.
//!
//! Whatever a guest or a compose file wrote is text here: maud escapes it.

use std::path::Path;

use futon_common::text::duration;
use futon_model::{FunctionReport, InvocationReport, Outcome, Proof, Report, StepReport, steps};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::table::{stress_line, summary_line};

/// Files of a results folder that a reader wants, and what they are.
const FILES: [(&str, &str); 6] = [
    ("results.log", "results log"),
    ("uploads/container.log", "container's log"),
    ("console.log", "console"),
    ("events.jsonl", "events"),
    ("qemu.log", "QEMU's words"),
    ("invocations.csv", "rows of simulated invocations"),
];

/// Where `futon test` and `evaluate` draw the rows of all functions.
const CHARTS: &str = "charts.html";

const STYLE: &str = include_str!("report.css");

/// The page. `folder` is where it will be stored, for its links; an absolute path, as those of the results are.
pub(super) fn html_page(report: &Report, folder: &Path) -> String {
    let longest = report.functions.iter().map(|f| f.duration_ms).max().unwrap_or(0);
    let title = summary_line(report);
    let body = html! {
        p.faint { (report.started) " · futon " (report.futon) " · exit status " (report.summary.exit_code) }
        @for stress in &report.stress { p { b { (stress_line(stress)) } } }
        (overview(report, longest))
        (legend(report))
        @if folder.join(CHARTS).is_file() { p { a href=(CHARTS) { "charts of the simulated invocations" } } }
        @for function in &report.functions { (details(function, folder)) }
    };
    document(&title, STYLE, &body)
}

/// A page with its title as the heading.
pub(super) fn document(title: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "futon: " (title) }
                style { (PreEscaped(style)) }
            }
            body {
                h1 { (title) }
                (body)
            }
        }
    };
    page.into_string()
}

fn overview(report: &Report, longest: u64) -> Markup {
    html! {
        table.overview {
            thead { tr { th { "function" } th { "verdict" } th.number { "time" } th { "replies verified" } th.wide { "steps" } } }
            tbody {
                @for f in &report.functions {
                    tr {
                        td { a href={ "#" (anchor(f)) } { (f.label()) } }
                        td { (badge(f)) @if f.proof == Proof::Log { " " span.faint { "log only" } } }
                        td.number { (duration(f.duration_ms)) }
                        td { @if let Some(calls) = &f.invocations { (calls.verified) " of " (calls.planned) } }
                        td { (bar(&f.steps, longest)) }
                    }
                }
            }
        }
    }
}

/// The name of a function's place on the page.
fn anchor(f: &FunctionReport) -> String {
    f.label().replace(' ', "-")
}

/// The word for an outcome, coloured; a pass on a later attempt is flaky.
fn badge(f: &FunctionReport) -> Markup {
    let class = match f.verdict.outcome {
        Outcome::Passed if f.is_flaky() => "odd",
        Outcome::Passed => "good",
        Outcome::Infra | Outcome::NotRun => "odd",
        _ if f.verdict.never_came_up() => "odd",
        Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => "bad",
    };
    let word = f.verdict.outcome.word().replace('_', " ");
    html! { span class={ "badge " (class) } { (word) @if f.is_flaky() { ", flaky" } } }
}

/// A step's class in the style sheet; steps of foreign scripts have none.
fn class_of(step: &str) -> &str {
    const HOSTS: [&str; 3] = [steps::BOOT, steps::UPLOAD, steps::SHUTDOWN];
    if HOSTS.contains(&step) || steps::GUEST.contains(&step) { step } else { "other" }
}

fn bar(steps: &[StepReport], longest: u64) -> Markup {
    // Shares of the longest run, in hundredths of a per cent.
    let share = |ms: u64| (ms * 10_000).checked_div(longest).unwrap_or(0);
    html! {
        div.bar {
            @for step in steps {
                @if let Some(ms) = step.duration_ms {
                    @let share = share(ms);
                    span class={ "part " (class_of(&step.name)) } title={ (step.name) " " (duration(ms)) }
                        style={ "width:" (share / 100) "." (format!("{:02}", share % 100)) "%" } {}
                }
            }
        }
    }
}

fn legend(report: &Report) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for step in report.functions.iter().flat_map(|f| &f.steps) {
        if !names.contains(&step.name.as_str()) {
            names.push(&step.name);
        }
    }
    html! { p.legend { @for name in names { span.key { span class={ "part " (class_of(name)) } {} (name) } } } }
}

fn details(f: &FunctionReport, folder: &Path) -> Markup {
    html! {
        details open[!f.verdict.is_pass() || f.load.is_some()] {
            summary { b { (f.label()) } " " (badge(f)) " " span.faint { (duration(f.duration_ms)) } }
            // Inside a folded section: a link to it unfolds the section.
            p id=(anchor(f)) {
                @if let Some(step) = &f.verdict.step { b { (step) ": " } }
                (f.verdict.why)
                " " code { (f.verdict.code.word()) }
            }
            @if let Some(hint) = &f.verdict.hint { p { b { "hint: " } (hint) } }
            @for (number, attempt) in (1..).zip(&f.earlier) {
                p {
                    b { "attempt " (number) ": " } (attempt.line()) " " code { (attempt.code.word()) }
                    " " span.faint { (duration(attempt.duration_ms)) } " " code { (attempt.folder) }
                }
            }
            @for remark in &f.remarks { p { b { "note: " } (remark) } }
            @if let Some(load) = &f.load { (super::load::section(load)) }
            @else if let Some(calls) = &f.invocations { (invocations(calls)) }
            @if !f.steps.is_empty() { (step_table(&f.steps)) }
            (tail("the container's log around a possible crash", &f.container_crash))
            (tail("last lines of the container's log", &f.container_tail))
            (tail("last lines of the console", &f.console_tail))
            table {
                @if let Some(image) = &f.image { tr { th { "image" } td { (image) } } }
                @if let Some(digest) = f.digests.first().and_then(|image| image.manifest.as_ref()) {
                    tr { th { "manifest" } td { code { (digest) } } }
                }
                tr {
                    th { "machine" }
                    td {
                        (f.machine.version) " · " (f.machine.accelerator.word()) " · " (f.machine.vcpus) " vcpu, " (f.machine.memory_mib) " MiB"
                        @if let Some(fork) = &f.machine.fork { " · fork" @if fork.thawed { ", thawed" } }
                    }
                }
                tr { th { "base image" } td { (f.machine.base_image) } }
                @if let Some(s) = &f.simulation {
                    tr { th { "simulated" } td { "core " (s.core) " · system " (s.system) " · " (s.rows) " rows" } }
                }
                tr { th { "proof" } td { (proof(f.proof)) } }
                @if !f.folder.is_empty() { tr { th { "files" } td { (files(Path::new(&f.folder), folder)) } } }
            }
        }
    }
}

fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Full => "full: all witnesses of futon's own run script",
        Proof::Log => "log: the closing line, a clean shutdown, a clean console",
        Proof::None => "none: the run did not get that far",
    }
}

fn invocations(calls: &InvocationReport) -> Markup {
    html! {
        p {
            (calls.verified) " of " (calls.planned) " replies verified"
            @if calls.failed > 0 { ", " (calls.failed) " failed" }
            @if let Some(l) = &calls.latency_ms {
                " · p50 " (format!("{:.1}", l.p50)) " ms, p90 " (format!("{:.1}", l.p90)) " ms, p99 " (format!("{:.1}", l.p99)) " ms"
                @if !calls.latency_is_performance { " " span.faint { "(emulated: not a performance result)" } }
            }
        }
    }
}

/// Steps side by side: how long each took, and how it ended if it failed.
fn step_table(steps: &[StepReport]) -> Markup {
    html! {
        table.steps {
            tr { @for step in steps { th { span class={ "part " (class_of(&step.name)) } {} (step.name) } } }
            tr {
                @for step in steps {
                    td {
                        @match step.duration_ms { Some(ms) => (duration(ms)), None => "did not end" }
                        @if let Some(status) = step.exit_status.filter(|status| *status != 0) { br; b { "exit status " (status) } }
                        @if step.cached { br; span.faint { "cached" } }
                    }
                }
            }
        }
    }
}

fn tail(title: &str, lines: &[String]) -> Markup {
    html! { @if !lines.is_empty() { p.title { (title) } pre { (lines.join("\n")) } } }
}

/// Links to existing files, relative to the page's folder; the folder's name if links would not work.
fn files(results: &Path, folder: &Path) -> Markup {
    let link = |file: &str| {
        // Those of a merged report are relative to it, and may lie beside it.
        let path = folder.join(results).join(file);
        let address =
            if results.is_relative() { results.join(file) } else { path.strip_prefix(folder).ok()?.to_owned() };
        let address = address.to_str()?.to_owned();
        // Names that would need escaping in a link are rare; the folder is still named.
        let plain = address.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
        (plain && path.is_file()).then_some(address)
    };
    html! {
        code { (results.display().to_string()) }
        @for (file, what) in FILES { @if let Some(address) = link(file) { " · " a href=(address) { (what) } } }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn report() -> Report {
        let machine = json!({"kind": "qemu", "version": "QEMU 7.2", "accelerator": "tcg", "accelerator_reason": "no kvm", "vcpus": 2,
            "memory_mib": 2048, "base_image": "base.img", "kernel": "kernel", "warm_base": "67bf", "thawed": true});
        let function = |name: &str, verdict, more: &[&str]| {
            json!({"name": name, "image": "me/f", "digests": [], "machine": machine, "proof": "full", "verdict": verdict, "attempts": 1,
                "steps": [{"name": "pull", "duration_ms": 700, "exit_status": 0}, {"name": "invoke", "duration_ms": 90, "exit_status": 1}],
                "invocations": {"planned": 20, "verified": 12, "failed": 8, "latency_is_performance": false,
                    "latency_ms": {"p50": 4.1, "p90": 7.0, "p99": 9.8, "max": 9.8}},
                "remarks": more, "duration_ms": 1000, "folder": "/runs/1/f/results", "container_tail": more})
        };
        let good = json!({"outcome": "passed", "step": null, "code": "all_witnesses_agree", "why": "all agree"});
        let bad =
            json!({"outcome": "failed", "step": "invoke", "code": "wrong_reply", "why": "not 55", "hint": "look"});
        serde_json::from_value(
            json!({"schema": "futon.report/1", "futon": "0.1.0", "started": "2026-11-25T20:00:00Z", "duration_ms": 2000,
            "summary": {"total": 2, "passed": 1, "failed": 1, "infra": 0, "not_run": 0, "exit_code": 1},
            "functions": [function("fibonacci-go", good, &[]), function("evil", bad, &["<script>alert(1)</script>"])]}),
        )
        .unwrap()
    }

    #[test]
    fn a_page_has_every_function_and_its_words_as_text() {
        let page = html_page(&report(), Path::new("/runs/1"));
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        assert!(page.contains("2 functions: 1 passed, 1 failed"), "{page}");
        // A guest's text is not markup, and passed functions are folded away.
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert_eq!(page.matches("<details").count(), 2);
        assert_eq!(page.matches(" open>").count(), 1, "{page}");
        assert!(page.contains("wrong_reply") && page.contains("badge bad"), "{page}");
        // Nothing is fetched from anywhere.
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
        if let Ok(folder) = std::env::var("FUTON_TEST_KEEP") {
            fs::write(format!("{folder}/report.html"), &page).unwrap();
        }
    }

    #[test]
    fn files_that_are_there_are_linked() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("fibonacci-go/results");
        fs::create_dir_all(&results).unwrap();
        fs::write(results.join("console.log"), "").unwrap();
        let page = files(&results, folder.path()).into_string();
        assert!(page.contains("href=\"fibonacci-go/results/console.log\""), "{page}");
        assert!(!page.contains("qemu.log"), "{page}");
        assert!(!files(&results, Path::new("/elsewhere")).into_string().contains("href"));
        // A merged report lies beside the runs it was made of.
        let merged = folder.path().join("merged");
        fs::create_dir(&merged).unwrap();
        let page = files(Path::new("../fibonacci-go/results"), &merged).into_string();
        assert!(page.contains("href=\"../fibonacci-go/results/console.log\""), "{page}");
    }

    #[test]
    fn bars_are_shares_of_the_longest_run() {
        let step =
            |name: &str, ms| StepReport { name: name.into(), duration_ms: ms, exit_status: Some(0), cached: false };
        let page = bar(&[step("pull", Some(500)), step("mine", Some(25)), step("stop", None)], 1000).into_string();
        assert!(page.contains("part pull\" title=\"pull 500 ms\" style=\"width:50.00%\""), "{page}");
        assert!(page.contains("part other\"") && page.contains("width:2.50%"), "{page}");
        assert_eq!(page.matches("<span").count(), 2);
        bar(&[step("pull", Some(1))], 0);
    }
}
