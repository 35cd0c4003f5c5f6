//! The lines of a log, looked at while it grows.

use std::io::{self, Write};

/// Bytes of a line that are looked at.
const LONGEST: usize = 1 << 20;

/// Takes a log piece by piece and looks at each line once it is whole, without what ends it: a newline, or a carriage return and that.
pub struct Lines<'a> {
    /// The beginning of a line whose end is not there yet.
    pub rest: Vec<u8>,
    /// Whether one was wanted.
    pub found: bool,
    wanted: &'a dyn Fn(&str) -> bool,
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("rest", &self.rest.len()).field("found", &self.found).finish_non_exhaustive()
    }
}

impl<'a> Lines<'a> {
    /// Goes on behind the beginning of a line.
    pub fn behind(rest: Vec<u8>, wanted: &'a dyn Fn(&str) -> bool) -> Self {
        Self { rest, found: false, wanted }
    }

    fn add(&mut self, piece: &[u8]) {
        let room = LONGEST.saturating_sub(self.rest.len());
        self.rest.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut pieces = piece.split(|byte| *byte == b'\n');
        self.add(pieces.next().unwrap_or_default());
        for next in pieces {
            let line = self.rest.strip_suffix(b"\r").unwrap_or(&self.rest);
            self.found = self.found || (self.wanted)(&String::from_utf8_lossy(line));
            self.rest.clear();
            self.add(next);
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&str], line: &str) -> (bool, String) {
        let wanted = |seen: &str| seen == line;
        let mut lines = Lines::behind(Vec::new(), &wanted);
        for piece in pieces {
            lines.write_all(piece.as_bytes()).unwrap();
        }
        (lines.found, String::from_utf8(lines.rest).unwrap())
    }

    #[test]
    fn only_whole_lines_count() {
        assert_eq!(found(&["a\nser", "ving\nb"], "serving"), (true, "b".into()));
        assert_eq!(found(&["serving"], "serving"), (false, "serving".into()));
        assert_eq!(found(&["serving", "\r", "\n"], "serving"), (true, String::new()));
        assert_eq!(found(&["\n\n"], ""), (true, String::new()));
        assert_eq!(found(&[], ""), (false, String::new()));
    }

    #[test]
    fn a_line_behind_a_long_one_is_seen() {
        let long = "x".repeat(3 * LONGEST);
        assert_eq!(found(&[&long, &long, "\nserving\n"], "serving"), (true, String::new()));
        assert_eq!(found(&[&long], "serving").1.len(), LONGEST);
    }
}
