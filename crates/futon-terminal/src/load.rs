//! A load's lines below its function.

use anstyle::Style;
use futon_model::LoadReport;

const FAINT: Style = Style::new().dimmed();

/// How it was, in at most 80 columns a line.
pub fn lines(load: &LoadReport) -> Vec<String> {
    let connections = match load.connections {
        1 => "1 connection".to_owned(),
        more => format!("{more} connections"),
    };
    let how = match &load.rate {
        Some(rate) => format!("{rate} calls per second, {connections}"),
        None => format!("{} calls in flight, {connections}", load.concurrency),
    };
    let mut lines = vec![
        format!("    {how}, {:.2} s", load.duration_s),
        format!(
            "    {} replies verified, {:.1} per second; {} failed",
            load.verified, load.verified_per_s, load.failed
        ),
    ];
    lines.extend(load.errors.iter().map(|(name, count)| format!("      {count} × {name}")));
    if let Some(l) = &load.latency_ms {
        lines.push(format!(
            "    p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms",
            l.p50, l.p90, l.p99, l.p99_9
        ));
        let note = if load.is_performance {
            String::new()
        } else {
            format!(" {FAINT}(emulated: not a performance result){FAINT:#}")
        };
        lines.push(format!("    mean {:.3} ms, max {:.3} ms{note}", l.mean, l.max));
    }
    if load.client_saturated {
        lines.push(format!("    the client's own core was the limit ({:.0}% busy)", load.client_busy * 100.0));
    }
    lines
}

#[cfg(test)]
mod tests {
    use futon_model::LoadLatency;

    use super::*;

    #[test]
    fn a_load_fits_a_terminal_and_says_what_it_is_worth() {
        let load = LoadReport {
            rate: Some("100..1000".into()),
            connections: 4,
            verified: 123_456_789,
            verified_per_s: 54_321.0,
            latency_ms: Some(LoadLatency { p99_9: 1234.5, p99: 999.9, ..LoadLatency::default() }),
            client_saturated: true,
            ..LoadReport::default()
        };
        let text = anstream::adapter::strip_str(&lines(&load).join("\n")).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("100..1000 calls per second, 4 connections") && text.contains("emulated"), "{text}");
        assert!(text.contains("own core was the limit"), "{text}");
    }
}
