//! A load on the report's page: its numbers, and how it went over time.

use futon_model::{LoadReport, LoadSecond};
use maud::{Markup, PreEscaped, html};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 12.0;

/// Colours that stay apart for the colour-blind (Okabe and Ito, 2008).
const REPLIES: &str = "#0072b2";
const MEDIAN: &str = "#009e73";
const TAIL: &str = "#d55e00";

/// All of it.
pub(super) fn section(load: &LoadReport) -> Markup {
    html! {
        p.title { "load: " (how(load)) }
        table {
            tr { th { "verified" } td { (load.verified) " replies in " (format!("{:.2}", load.duration_s)) " s, " (format!("{:.1}", load.verified_per_s)) " per second" } }
            @if load.failed > 0 { tr { th { "failed" } td { (load.failed) @for (name, count) in &load.errors { " · " (count) " × " (name) } } } }
            @if let Some(l) = &load.latency_ms {
                tr {
                    th { "latency, ms" }
                    td {
                        "min " (ms(l.min)) " · mean " (ms(l.mean)) " · p50 " (ms(l.p50)) " · p90 " (ms(l.p90)) " · p99 " (ms(l.p99)) " · p99.9 " (ms(l.p99_9))
                        " · p99.99 " (ms(l.p99_99)) " · max " (ms(l.max))
                        @if !load.is_performance { " " span.faint { "(emulated: not a performance result)" } }
                    }
                }
            }
            @for threshold in &load.thresholds {
                @let exceeded = load.latency_ms.as_ref().and_then(|latency| threshold.exceeded(latency));
                tr {
                    th { "threshold" }
                    td { (threshold.measure) " at most " (threshold.at_most_ms()) " ms: " @if let Some(why) = exceeded { b { (why) } } @else { "holds" } }
                }
            }
            tr {
                th { "client" }
                td {
                    (format!("{:.0}", load.client_busy * 100.0)) "% of its core"
                    @if load.client_saturated { ": " b { "it was the limit, not the function" } }
                }
            }
        }
        @if load.seconds.len() > 1 {
            p.legend {
                span.key { span.part style={ "background:" (REPLIES) } {} "replies per second" }
                span.key { span.part style={ "background:" (MEDIAN) } {} "p50, ms" }
                span.key { span.part style={ "background:" (TAIL) } {} "p99, ms" }
            }
            (chart(&load.seconds, &[(REPLIES, &|s| s.replies_per_s)], "replies per second over time"))
            (chart(&load.seconds, &[(TAIL, &|s| s.p99), (MEDIAN, &|s| s.p50)], "latencies over time, milliseconds"))
        }
    }
}

fn how(load: &LoadReport) -> String {
    let connections =
        if load.connections == 1 { "1 connection".to_owned() } else { format!("{} connections", load.connections) };
    match &load.rate {
        Some(rate) => format!("{rate} calls per second, {connections}"),
        None => format!("{} calls in flight, {connections}", load.concurrency),
    }
}

fn ms(value: f64) -> String {
    format!("{value:.3}")
}

type Line<'a> = (&'a str, &'a dyn Fn(&LoadSecond) -> f64);

/// Lines over time, from 0 to their largest value. The text of the page says what they are.
fn chart(seconds: &[LoadSecond], lines: &[Line<'_>], title: &str) -> Markup {
    let most = lines.iter().flat_map(|(_, value)| seconds.iter().map(value)).fold(0.0, f64::max);
    let until = seconds.last().map_or(1.0, |s| s.until_s);
    if most <= 0.0 || until <= 0.0 {
        return html! {};
    }
    let x = |s: f64| LEFT + s / until * (WIDTH - LEFT - 8.0);
    let y = |value: f64| HEIGHT - BOTTOM - value / most * (HEIGHT - BOTTOM - TOP);
    let points = |value: &dyn Fn(&LoadSecond) -> f64| {
        seconds.iter().map(|s| format!("{:.1},{:.1}", x(s.until_s), y(value(s)))).collect::<Vec<_>>().join(" ")
    };
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - 8.0);
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
            path d={ "M" (LEFT) " " (TOP) "V" (bottom) "H" (right) } fill="none" stroke="currentColor" stroke-opacity="0.4" {}
            text x=(LEFT - 6.0) y=(TOP + 4.0) text-anchor="end" { (short(most)) }
            text x=(LEFT - 6.0) y=(bottom) text-anchor="end" { "0" }
            text x=(right) y=(HEIGHT - 6.0) text-anchor="end" { (PreEscaped(format!("{until:.1} s"))) }
            @for (colour, value) in lines { polyline points=(points(value)) fill="none" stroke=(colour) stroke-width="1.5" {} }
        }
    }
}

/// A number with three digits or so.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use futon_model::LoadLatency;

    use super::*;

    fn load() -> LoadReport {
        let second = |until_s, replies_per_s, p99| LoadSecond { until_s, replies_per_s, p50: 1.0, p99, max: p99 };
        LoadReport {
            concurrency: 32,
            connections: 1,
            verified: 1000,
            duration_s: 2.0,
            verified_per_s: 500.0,
            latency_ms: Some(LoadLatency { p99: 9.0, ..LoadLatency::default() }),
            thresholds: vec!["p99=5ms".parse().unwrap(), "max=1s".parse().unwrap()],
            seconds: vec![second(1.0, 250.0, 4.0), second(2.0, 500.0, 8.0)],
            ..LoadReport::default()
        }
    }

    #[test]
    fn a_load_has_its_numbers_thresholds_and_charts() {
        let page = section(&load()).into_string();
        assert!(page.contains("32 calls in flight, 1 connection") && page.contains("1000 replies in 2.00 s"), "{page}");
        assert!(page.contains("p99 is 9.000 ms, above the limit of 5 ms") && page.contains("1000 ms: holds"), "{page}");
        assert!(page.contains("emulated: not a performance result"), "{page}");
        assert_eq!((page.matches("<svg").count(), page.matches("<polyline").count()), (2, 3));
        // The last point of the replies is at the right end and at the top.
        assert!(page.contains("752.0,12.0\""), "{page}");
        let one = LoadReport { seconds: Vec::new(), rate: Some("<b>".into()), failed: 1, ..load() };
        let page = section(&one).into_string();
        assert!(!page.contains("<svg") && page.contains("&lt;b&gt; calls per second"), "{page}");
    }
}
