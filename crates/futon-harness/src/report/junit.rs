//! JUnit XML, for CI systems that show it.

use futon_model::{Outcome, Report};

use super::build::never_came_up;

/// A report in JUnit's format: one test case per function.
#[must_use]
pub fn junit(report: &Report) -> String {
    let s = &report.summary;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"futon\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\" timestamp=\"{}\">\n",
        s.total,
        s.failed,
        s.infra,
        s.not_run,
        seconds(report.duration_ms),
        escape(&report.started)
    );
    for f in &report.functions {
        xml.push_str(&format!(
            "<testcase name=\"{}\" classname=\"futon\" time=\"{}\">",
            escape(&f.name),
            seconds(f.duration_ms)
        ));
        let step = f.verdict.step.as_deref().unwrap_or("");
        let text = format!("{} in {step}: {}", f.verdict.outcome.word(), f.verdict.why);
        let element = match f.verdict.outcome {
            Outcome::Passed => None,
            Outcome::NotRun => Some("skipped"),
            Outcome::Infra => Some("error"),
            _ if never_came_up(&f.verdict) => Some("error"),
            Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => Some("failure"),
        };
        if let Some(element) = element {
            xml.push_str(&format!("<{element} message=\"{}\"/>", escape(&text)));
        }
        if !f.console_tail.is_empty() {
            xml.push_str(&format!("<system-out>{}</system-out>", escape(&f.console_tail.join("\n"))));
        }
        let container: Vec<&str> = f.container_crash.iter().chain(&f.container_tail).map(String::as_str).collect();
        if !container.is_empty() {
            xml.push_str(&format!("<system-err>{}</system-err>", escape(&container.join("\n"))));
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Escapes markup, and drops the characters that XML 1.0 does not know.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_kept_out() {
        assert_eq!(escape("a<b>&\"\u{1b}\u{0}\u{ffff}\u{fffe}"), "a&lt;b&gt;&amp;&quot;");
    }
}
