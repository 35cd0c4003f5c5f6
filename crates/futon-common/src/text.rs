//! Text for people. That of guests is made fit to be shown: it must not steer a terminal, nor look like several lines where it is one.

use std::time::Duration;

/// A duration in seconds with one decimal, or milliseconds below one second.
#[must_use]
pub fn duration(ms: u64) -> String {
    let duration = Duration::from_millis(ms);
    if ms < 1000 { format!("{ms} ms") } else { format!("{:.1} s", duration.as_secs_f64()) }
}

/// A number of things: `1 cell`, `2 cells`.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Shows control characters instead of sending them to a terminal: `\n`, `\t`, `\u{1b}`. The line stays one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A line of a log, made fit to be shown: colours are dropped, tabs become blanks, everything else as by [`one_line`].
#[must_use]
pub fn log_line(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.trim_end();
    while let Some(at) = rest.find(['\u{1b}', '\t']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\t') {
            plain.push_str("    ");
            rest = after;
        } else if let Some(after) = colour(rest) {
            rest = after;
        } else {
            plain.push('\u{1b}');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    one_line(plain.trim_end())
}

/// What follows a sequence that only selects colours (ECMA-48, SGR), if `text` begins with one.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    parameters[end..].strip_prefix('m')
}

/// Characters that move the cursor, change colours, or turn the direction of text around them: the controls of C0 and C1, line and
/// paragraph separators, and the marks of the bidirectional algorithm (UAX #9).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{counted, log_line, one_line};

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "cell")), ["0 cells", "1 cell", "2 cells"]);
    }

    #[test]
    fn what_steers_is_shown_and_the_rest_is_kept() {
        assert_eq!(one_line("a\nb\tc"), r"a\nb\tc");
        assert_eq!(one_line("\u{1b}[2J\u{7}\u{9b}1m"), r"\u{1b}[2J\u{7}\u{9b}1m");
        assert_eq!(one_line("x\u{202e}y"), r"x\u{202e}y");
        assert_eq!(one_line("Grüße 世界 \\n"), "Grüße 世界 \\n");
    }

    #[test]
    fn logs_lose_their_colours_and_nothing_else() {
        assert_eq!(log_line("\u{1b}[0;32m  OK  \u{1b}[0m Started\r"), "  OK   Started");
        assert_eq!(log_line("a\u{7}b\u{1b}c"), r"a\u{7}b\u{1b}c");
        assert_eq!(log_line("\u{1b}[2J\u{1b}]0;title\u{7}"), r"\u{1b}[2J\u{1b}]0;title\u{7}");
        assert_eq!(log_line("\tat main\u{1b}["), r"    at main\u{1b}[");
    }
}
