//! What a report shows of a log: its last lines, and the lines around what looks like a crash.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use futon_common::text::log_line;

/// Last lines in a report.
const TAIL: usize = 20;

/// How many of these a terminal shows: a crash within them need not be shown twice.
pub const TAIL_SHOWN: usize = 8;

/// Lines before and after the one that looks like a crash.
const BEFORE: usize = 2;
const AFTER: usize = 9;

/// How many bytes of a line are kept; the log itself has the whole line.
const LINE: usize = 4096;

/// Words with which programs report a crash: Go and Rust, Python, Java and .NET, Node.js.
const CRASH: [&str; 4] = ["panic", "Traceback", "Exception", "Error"];

/// What is shown of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tails {
    /// The last lines that are not empty.
    pub(super) tail: Vec<String>,
    /// The lines around the first one with a crash word; empty if `tail` shows them.
    pub(super) crash: Vec<String>,
}

/// Reads a log; a missing one is empty.
pub(super) fn read(path: &Path) -> Tails {
    File::open(path).map_or_else(|_| Tails::default(), |file| of(BufReader::new(file)))
}

fn of(mut log: impl BufRead) -> Tails {
    let mut tail: VecDeque<String> = VecDeque::new();
    let mut crash: Vec<String> = Vec::new();
    // Lines since the one with the word.
    let mut since: Option<usize> = None;
    while let Some(line) = next_line(&mut log) {
        if line.is_empty() {
            continue;
        }
        match &mut since {
            Some(count) => *count += 1,
            None if CRASH.iter().any(|word| has_word(&line, word)) => {
                since = Some(0);
                crash.extend(tail.iter().skip(tail.len().saturating_sub(BEFORE)).cloned());
            }
            None => {}
        }
        if since.is_some_and(|count| count <= AFTER) {
            crash.push(line.clone());
        }
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    if since.is_some_and(|count| count < TAIL_SHOWN) {
        crash.clear();
    }
    Tails { tail: tail.into(), crash }
}

/// The next line without terminal control characters; nothing at the end, or if the log cannot be read further.
fn next_line(log: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    if log.by_ref().take(LINE as u64).read_until(b'\n', &mut bytes).ok()? == 0 {
        return None;
    }
    if bytes.last() != Some(&b'\n') && bytes.len() == LINE {
        let rest = skip_line(log);
        let mut line = log_line(&String::from_utf8_lossy(&bytes));
        if rest > 0 {
            line.push_str(&format!("… ({rest} bytes more)"));
        }
        return Some(line);
    }
    Some(log_line(&String::from_utf8_lossy(&bytes)))
}

/// Skips the rest of a line and says how long it was.
fn skip_line(log: &mut impl BufRead) -> usize {
    let mut skipped = 0;
    loop {
        let Ok(buffer) = log.fill_buf() else { return skipped };
        if buffer.is_empty() {
            return skipped;
        }
        let end = buffer.iter().position(|b| *b == b'\n');
        let length = end.map_or(buffer.len(), |at| at + 1);
        log.consume(length);
        skipped += length - usize::from(end.is_some());
        if end.is_some() {
            return skipped;
        }
    }
}

/// Whether a text has the word with no letter, digit or underscore next to it.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part) && !text[at + word.len()..].chars().next().is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(from: usize, to: usize) -> String {
        (from..to).map(|n| format!("line {n}\n")).collect()
    }

    #[test]
    fn the_lines_around_the_first_crash_are_shown() {
        let log = format!("{}panic: boom\n{}Error: later\n{}", numbered(0, 50), numbered(50, 90), numbered(90, 99));
        let tails = of(log.as_bytes());
        assert_eq!(tails.tail.len(), TAIL);
        assert_eq!(tails.tail.last().unwrap(), "line 98");
        assert_eq!(tails.crash[..4], ["line 48", "line 49", "panic: boom", "line 50"]);
        assert_eq!(tails.crash.len(), BEFORE + 1 + AFTER);
    }

    #[test]
    fn a_crash_within_the_last_lines_is_not_shown_twice() {
        let log = format!("{}Traceback (most recent call last):\n{}", numbered(0, 50), numbered(0, TAIL_SHOWN - 1));
        assert!(of(log.as_bytes()).crash.is_empty());
        assert_eq!(of(log.as_bytes()).tail[TAIL - TAIL_SHOWN], "Traceback (most recent call last):");
        let log = format!("{log}one more\n");
        assert!(!of(log.as_bytes()).crash.is_empty());
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("java.lang.Exception: x", "Exception") && has_word("panic", "panic"));
        assert!(!has_word("ErrorLevel=3 noError my_Error", "Error") && !has_word("panics", "panic"));
        assert!(has_word("ErrorX Error", "Error"));
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let log = format!("{}\nnext\n", "x".repeat(LINE + 10_000));
        let tails = of(log.as_bytes());
        assert_eq!(tails.tail.len(), 2);
        assert!(tails.tail[0].ends_with("x… (10000 bytes more)"), "{}", tails.tail[0].len());
        assert_eq!(tails.tail[1], "next");
        let exact = format!("{}\nnext", "x".repeat(LINE));
        assert_eq!(of(exact.as_bytes()).tail, ["x".repeat(LINE), "next".to_owned()]);
    }
}
