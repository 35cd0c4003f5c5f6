//! Lines that fit the terminal.

use std::env;

use unicode_width::UnicodeWidthChar;

/// Columns if the width is unknown: in a file, or in a job's log.
const UNKNOWN: usize = 160;

/// The narrowest that is written for.
const NARROW: usize = 20;

/// Columns of standard output: its terminal's, else `COLUMNS`.
pub fn columns() -> usize {
    let terminal = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    let named = || env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(named).unwrap_or(UNKNOWN).max(NARROW)
}

/// Cuts a line so that it takes at most `columns`; an ellipsis says so.
pub(crate) fn fit(line: &str, columns: usize) -> String {
    let wide = |c: char| c.width().unwrap_or(0);
    if line.chars().map(wide).sum::<usize>() <= columns {
        return line.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let kept = line.chars().take_while(|c| {
        let fits = wide(*c) <= left;
        left = left.saturating_sub(wide(*c));
        fits
    });
    kept.chain(['…']).collect()
}

/// A text in lines of at most `columns`, broken at blanks, and within words that are longer.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let wide = |text: &str| text.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wanted = wide(word);
        if used > 0 && used + 1 + wanted > columns {
            lines.push(String::new());
            used = 0;
        }
        if used > 0 {
            push(&mut lines, " ");
            used += 1;
        }
        for c in word.chars() {
            let wanted = c.width().unwrap_or(0);
            if used + wanted > columns {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, c.encode_utf8(&mut [0; 4]));
            used += wanted;
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_to_its_columns() {
        assert_eq!(fit("12345", 5), "12345");
        assert_eq!(fit("123456", 5), "1234…");
        assert_eq!(fit("世界世界", 5), "世界…");
        assert_eq!(fit("世界世界", 6), "世界…");
        assert_eq!(fit(&"x".repeat(10_240), 80).chars().count(), 80);
        assert_eq!(fit("", 0), "");
    }

    #[test]
    fn a_text_is_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a longerword b", 6), ["a", "longer", "word b"]);
        assert_eq!(wrap("世界世", 4), ["世界", "世"]);
        assert_eq!(wrap("", 5), [""]);
        assert!(wrap(&"x y".repeat(500), 40).iter().all(|line| line.chars().count() <= 40));
    }
}
