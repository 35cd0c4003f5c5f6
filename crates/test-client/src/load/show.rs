//! A load's numbers on one screen.

use std::fmt::Write;

use futon_model::LoadReport;

/// The summary; what is not judged here is said to be so.
pub fn summary(report: &LoadReport, judged: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name:>12}  {value}");
    };
    let connections =
        if report.connections == 1 { "1 connection".to_owned() } else { format!("{} connections", report.connections) };
    let how = match &report.rate {
        Some(rate) => format!("open loop, {rate} calls per second over {connections}"),
        None => format!("closed loop, {} in flight over {connections}", report.concurrency),
    };
    line("load", format!("{}: {how}, {:.2} s", report.function, report.duration_s));
    if judged {
        line("verified", format!("{} ({:.1} a second)", report.verified, report.verified_per_s));
        line("failed", report.failed.to_string());
    } else {
        line("replies", format!("{} different ones, for the host to judge", report.distinct_replies));
    }
    for (name, count) in &report.errors {
        line("", format!("{count} × {name}"));
    }
    if report.not_sent > 0 {
        line("not sent", format!("{} calls that were due", report.not_sent));
    }
    if let Some(l) = &report.latency_ms {
        line("latency, ms", format!("p50 {:.3}   p90 {:.3}   p99 {:.3}", l.p50, l.p90, l.p99));
        line("", format!("p99.9 {:.3}   max {:.3}   mean {:.3}", l.p99_9, l.max, l.mean));
    }
    let limit = if report.client_saturated { ": it was the limit" } else { "" };
    line("client", format!("{:.0}% of its core{limit}", report.client_busy * 100.0));
    if let Some(failure) = &report.first_failure {
        line("first", failure.message.clone());
    }
    if let Some(why) = &report.ended_early {
        line("ended early", why.clone());
    }
    text
}
