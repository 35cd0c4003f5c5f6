//! How functions fared over many runs, as one self-contained HTML page in the style of the report. No script: it is read on a phone, too.

use futon_model::beginning;
use maud::{Markup, html};
use report_diff::{Break, FunctionTrend, InputChange, Mark, Point, Rate, Trend};

use super::html::document;

/// The style of reports, and what this page has beside it.
const STYLE: &str = concat!(include_str!("report.css"), include_str!("trend.css"));

/// Size of a chart, in its own units.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 60.0;
const EDGE: f64 = 4.0;

/// Most runs whose marks are shown; there may be more on the axis of a chart.
const MARKS: usize = 60;

/// The page.
#[must_use]
pub fn trend_page(trend: &Trend) -> String {
    let broken = trend.functions.iter().filter(|f| f.broken.is_some()).count();
    let some = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (functions, runs) = (some(trend.functions.len(), "function"), some(trend.runs.len(), "run"));
    let title = format!("{functions} over {runs}, {broken} failing now");
    let ends = [trend.runs.first(), trend.runs.last()].map(|run| run.map_or("", |run| run.started.as_str()));
    let body = html! {
        p.faint { (ends[0]) " to " (ends[1]) }
        p.legend {
            @for (mark, word) in [(Mark::Passed, "passed"), (Mark::Flaky, "flaky"), (Mark::Failed, "failed"),
                (Mark::Unknown, "no verdict"), (Mark::Absent, "not in the run")] {
                span.key { (cell(mark, word)) (word) }
            }
        }
        @for function in &trend.functions { (section(function, trend)) }
    };
    document(&title, STYLE, &body)
}

fn section(f: &FunctionTrend, trend: &Trend) -> Markup {
    let first = f.marks.len().saturating_sub(MARKS);
    html! {
        section {
            h2 {
                (f.name) " "
                @if f.broken.is_some() { span.badge.bad { "fails" } }
                @else if f.marks.iter().any(|mark| *mark != Mark::Absent) { span.badge.good { "works" } }
            }
            p.marks {
                @if first > 0 { span.faint { "… " } }
                @for (mark, run) in f.marks.iter().zip(&trend.runs).skip(first) {
                    (cell(*mark, &format!("{} {}", run.name, run.started)))
                }
            }
            @if let Some(rate) = &f.passed { p { "passed " (rate_words(rate)) } }
            @if let Some(broken) = &f.broken { (since(broken, trend)) }
            div.charts {
                (chart("length of passed runs", f.median_ms, &points(f, |point| {
                    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a run")]
                    Some(point.duration_ms as f64)
                }), trend))
                (chart(if f.emulated { "p50 of latencies (emulated: not a performance result)" } else { "p50 of latencies" },
                    f.median_p50_ms, &points(f, |point| point.p50_ms), trend))
            }
        }
    }
}

/// `9 of 10 (90%; 95% interval 60% to 98%)`.
#[must_use]
pub fn rate_words(rate: &Rate) -> String {
    let percent = |part: f64| format!("{:.0}%", 100.0 * part);
    format!(
        "{} of {} ({}; 95% interval {} to {})",
        rate.count,
        rate.of,
        percent(rate.rate),
        percent(rate.low),
        percent(rate.high)
    )
}

fn cell(mark: Mark, title: &str) -> Markup {
    let class = match mark {
        Mark::Passed => "good",
        Mark::Flaky | Mark::Unknown => "odd",
        Mark::Failed => "bad",
        Mark::Absent => "none",
    };
    html! { span class={ "mark " (class) } title=(title) { (mark.sign()) } }
}

fn since(broken: &Break, trend: &Trend) -> Markup {
    let run = |place: usize| trend.runs.get(place).map_or("", |run| run.name.as_str());
    let v = &broken.verdict;
    html! {
        p {
            b { "fails since " (run(broken.first_bad)) } ": "
            @if let Some(step) = &v.step { (step) ": " }
            (v.why) " " code { (v.code.word()) }
        }
        @match broken.last_good {
            None => p.faint { "It passed in none of these runs." },
            Some(good) => {
                p { "Last passed in " (run(good)) "." }
                @if broken.inputs.is_empty() { p.faint { "No input that the reports name changed between the two." } }
                @else { ul { @for change in &broken.inputs { li { (change_words(change)) } } } }
                @if !broken.inputs_known {
                    p.faint { "A report does not say which base image, kernel and calls it used: a change of these is not seen." }
                }
            }
        }
    }
}

fn change_words(change: &InputChange) -> Markup {
    let value = |value: &Option<String>| {
        let whole = value.as_deref().unwrap_or("none");
        html! { code title=(whole) { (beginning(whole)) } }
    };
    html! { (change.name) ": " (value(&change.a)) " → " (value(&change.b)) }
}

fn points(f: &FunctionTrend, value: impl Fn(&Point) -> Option<f64>) -> Vec<(usize, f64)> {
    f.points.iter().filter_map(|point| Some((point.run, value(point)?))).collect()
}

/// A line of values over runs, from 0 up; nothing without values.
fn chart(title: &str, median: Option<f64>, points: &[(usize, f64)], trend: &Trend) -> Markup {
    let (Some(median), false) = (median, points.is_empty()) else { return html! {} };
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    #[allow(clippy::cast_precision_loss, reason = "places of runs")]
    let place = |(run, value): &(usize, f64)| {
        let steps = trend.runs.len().saturating_sub(1).max(1) as f64;
        let x = EDGE + (WIDTH - 2.0 * EDGE) * *run as f64 / steps;
        let y = HEIGHT - EDGE - (HEIGHT - 2.0 * EDGE) * value / most;
        (format!("{x:.1}"), format!("{y:.1}"))
    };
    let line: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x},{y}")).collect();
    html! {
        figure {
            figcaption { (title) ": median " (millis(median)) span.faint { ", at most " (millis(most)) } }
            svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                line.axis x1="0" y1=(HEIGHT - EDGE) x2=(WIDTH) y2=(HEIGHT - EDGE) {}
                polyline points=(line.join(" ")) fill="none" stroke="#0072b2" {}
                @for point in points {
                    @let (x, y) = place(point);
                    circle cx=(x) cy=(y) r="2" fill="#0072b2" { title { (trend.runs.get(point.0).map_or("", |run| run.name.as_str())) ": " (millis(point.1)) } }
                }
            }
        }
    }
}

fn millis(value: f64) -> String {
    if value >= 1000.0 { format!("{:.1} s", value / 1000.0) } else { format!("{value:.1} ms") }
}

#[cfg(test)]
mod tests {
    use report_diff::trend;
    use serde_json::json;

    use super::*;

    fn run(day: u32, outcome: &str, why: &str) -> (String, futon_model::Report) {
        let step = if outcome == "passed" { None } else { Some("invoke") };
        let code = if outcome == "passed" { "all_witnesses_agree" } else { "wrong_reply" };
        let function = json!({"name": "fibonacci-go", "image": "me/f", "digests": [
                {"reference": "me/f:v1", "index": null, "manifest": format!("sha256:{:064}", day / 20), "config": null}],
            "machine": {"kind": "qemu", "version": "QEMU", "accelerator": "tcg", "accelerator_reason": "", "vcpus": 2,
                "memory_mib": 2048, "base_image": "b", "kernel": "k"},
            "proof": "full", "verdict": {"outcome": outcome, "step": step, "code": code, "why": why}, "steps": [],
            "invocations": {"planned": 20, "verified": 20, "failed": 0, "latency_is_performance": false,
                "latency_ms": {"p50": 4.0 + f64::from(day % 3), "p90": 7.0, "p99": 9.8, "max": 9.8}},
            "remarks": [], "duration_ms": 5000 + 37 * (day % 7), "folder": ""});
        let report = json!({"schema": "futon.report/1", "futon": "0.2.0", "started": format!("2026-11-{day:02}T08:00:00Z"),
            "duration_ms": 1, "summary": {"total": 1, "passed": 0, "failed": 0, "infra": 0, "not_run": 0, "exit_code": 0},
            "functions": [function]});
        (format!("runs/2026-11-{day:02}T08-00-00Z"), serde_json::from_value(report).unwrap())
    }

    #[test]
    fn a_page_shows_since_when_a_function_fails_and_what_changed() {
        let runs: Vec<_> = (1..=24)
            .map(|day| run(day, if day >= 20 { "failed" } else { "passed" }, "got <script>alert(1)</script>"))
            .collect();
        let page = trend_page(&trend(&runs));
        if let Ok(folder) = std::env::var("FUTON_TEST_KEEP") {
            std::fs::write(format!("{folder}/trend.html"), &page).unwrap();
        }
        assert!(page.contains("1 function over 24 runs, 1 failing now"), "{page}");
        assert!(
            page.contains("fails since runs/2026-11-20T08-00-00Z") && page.contains("Last passed in runs/2026-11-19T")
        );
        assert!(page.contains("image me/f:v1: "), "{page}");
        assert!(page.contains("passed 19 of 24 (79%; 95% interval 60% to 91%)"), "{page}");
        assert_eq!((page.matches("<circle").count(), page.matches(">✗<").count()), (2 * 19, 5 + 1));
        // A guest's words are text, and nothing comes from elsewhere.
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"), "{page}");
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }

    #[test]
    fn one_run_and_none_can_be_drawn() {
        let page = trend_page(&trend(&[run(1, "passed", "")]));
        assert!(page.contains("<polyline points=\"4.0,4.0\"") && !page.contains("NaN"), "{page}");
        assert!(trend_page(&trend(&[])).contains("0 functions over 0 runs, 0 failing now"));
    }
}
