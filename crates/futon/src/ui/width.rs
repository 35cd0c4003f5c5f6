//! Lines that fit the terminal.

use std::env;

use unicode_width::UnicodeWidthChar;

/// Columns where nobody says how many there are: a file, or a job's log.
const UNKNOWN: usize = 160;

/// The narrowest that is written for.
const NARROW: usize = 20;

/// Columns of standard output: its terminal's, else `COLUMNS`.
pub(super) fn columns() -> usize {
    let terminal = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    let named = || env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(named).unwrap_or(UNKNOWN).max(NARROW)
}

/// Cuts a line so that it takes at most `columns`; an ellipsis says so.
pub(super) fn fit(line: &str, columns: usize) -> String {
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
}
