//! Reads `stats.txt` as a stream: memory does not grow with the file, and a file that breaks off is said to.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use super::line::{Line, Stat, parse_line};

/// Longest line that is read. Real ones are far shorter; a longer one is counted as malformed and skipped.
const LINE_MAX: usize = 1 << 20;

/// Size of the read buffer.
const BUFFER: usize = 256 << 10;

/// What the reader comes upon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// A dump begins.
    Begin {
        /// Its number, from 0.
        dump: u64,
        /// The message that newer versions may put there.
        message: &'a str,
    },
    /// A statistic of the dump that has begun.
    Stat(Stat<'a>),
    /// The dump ends as it should.
    End {
        /// Its number.
        dump: u64,
    },
    /// The dump breaks off: the file ends, or the next dump begins. What it has shown so far may be incomplete.
    BrokenOff {
        /// Its number.
        dump: u64,
    },
}

/// What a file held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Dumps that began.
    pub dumps: u64,
    /// Dumps that broke off.
    pub broken_off: u64,
    /// Lines that are no statistics, or longer than anything gem5 writes.
    pub malformed: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Reads all dumps of a file; `visit` may stop early.
///
/// # Errors
/// When reading fails.
pub fn read_stats(reader: impl Read, mut visit: impl FnMut(Item<'_>) -> ControlFlow<()>) -> io::Result<Summary> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let mut state = State { summary: Summary::default(), open: None };
    // A line that spans two fills of the buffer is put together here.
    let mut partial: Vec<u8> = Vec::new();
    let mut too_long = false;
    loop {
        let chunk = match reader.fill_buf() {
            Ok([]) => break,
            Ok(chunk) => chunk,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let length = chunk.len();
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            let flow = if std::mem::take(&mut too_long) {
                partial.clear();
                state.summary.malformed += 1;
                ControlFlow::Continue(())
            } else if partial.is_empty() {
                state.line(line, &mut visit)
            } else {
                partial.extend_from_slice(line);
                let flow = state.line(&partial, &mut visit);
                partial.clear();
                flow
            };
            if flow.is_break() {
                return Ok(state.summary);
            }
        }
        if partial.len() + rest.len() > LINE_MAX {
            too_long = true;
            partial.clear();
        } else if !too_long {
            partial.extend_from_slice(rest);
        }
        reader.consume(length);
        state.summary.bytes += length as u64;
    }
    // A last line without its newline may have lost digits: it is not believed.
    if !partial.is_empty() || too_long {
        state.summary.malformed += 1;
    }
    let _ = state.break_off(&mut visit);
    Ok(state.summary)
}

struct State {
    summary: Summary,
    open: Option<u64>,
}

impl State {
    fn line(&mut self, line: &[u8], visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let Ok(text) = std::str::from_utf8(line) else {
            self.summary.malformed += 1;
            return ControlFlow::Continue(());
        };
        match (parse_line(text), self.open) {
            (Line::Stat(stat), Some(_)) => visit(Item::Stat(stat)),
            (Line::Begin(message), _) => {
                self.break_off(visit)?;
                let dump = self.summary.dumps;
                self.summary.dumps += 1;
                self.open = Some(dump);
                visit(Item::Begin { dump, message })
            }
            (Line::End, Some(dump)) => {
                self.open = None;
                visit(Item::End { dump })
            }
            (Line::Blank, _) => ControlFlow::Continue(()),
            (Line::Malformed | Line::End | Line::Stat(_), _) => {
                self.summary.malformed += 1;
                ControlFlow::Continue(())
            }
        }
    }

    fn break_off(&mut self, visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        match self.open.take() {
            Some(dump) => {
                self.summary.broken_off += 1;
                visit(Item::BrokenOff { dump })
            }
            None => ControlFlow::Continue(()),
        }
    }
}

/// Some figures of one dump.
#[derive(Debug, Clone, PartialEq)]
pub struct Dump<K> {
    /// Number of the dump, from 0.
    pub index: u64,
    /// Message of its first line, where there is one.
    pub message: String,
    /// False when it broke off.
    pub complete: bool,
    /// What was wanted and found. Several statistics that stand for one figure are summed.
    pub values: Vec<(K, f64)>,
}

impl<K: PartialEq + Copy> Dump<K> {
    /// A figure; nothing when the dump does not have it.
    #[must_use]
    pub fn get(&self, key: K) -> Option<f64> {
        self.values.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }
}

/// Reads the figures that `wanted` picks from each dump. Memory grows with the dumps' number, not with their size.
///
/// # Errors
/// When reading fails.
pub fn read_dumps<K: PartialEq + Copy>(
    reader: impl Read,
    mut wanted: impl FnMut(&str) -> Option<K>,
) -> io::Result<(Vec<Dump<K>>, Summary)> {
    let mut dumps: Vec<Dump<K>> = Vec::new();
    let summary = read_stats(reader, |item| {
        match item {
            Item::Begin { dump, message } => {
                dumps.push(Dump { index: dump, message: message.to_owned(), complete: false, values: Vec::new() });
            }
            Item::Stat(stat) => {
                if let (Some(dump), Some(key)) = (dumps.last_mut(), wanted(stat.name)) {
                    match dump.values.iter_mut().find(|(k, _)| *k == key) {
                        Some((_, sum)) => *sum += stat.value,
                        None => dump.values.push((key, stat.value)),
                    }
                }
            }
            Item::End { .. } => {
                if let Some(dump) = dumps.last_mut() {
                    dump.complete = true;
                }
            }
            Item::BrokenOff { .. } => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok((dumps, summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\n---------- Begin Simulation Statistics ----------\n\
        simSeconds  0.000490  # Number of seconds simulated (Second)\n\
        system.cpu.numCycles  23016  # Number of cpu cycles simulated (Cycle)\n\
        \n---------- End Simulation Statistics   ----------\n";

    fn cycles(text: &[u8]) -> (Vec<Dump<u8>>, Summary) {
        read_dumps(text, |name| (name == "system.cpu.numCycles").then_some(1)).unwrap()
    }

    #[test]
    fn several_dumps() {
        let text = DUMP.repeat(3).replace("\r", "");
        let (dumps, summary) = cycles(text.as_bytes());
        assert_eq!(summary, Summary { dumps: 3, broken_off: 0, malformed: 0, bytes: text.len() as u64 });
        assert!(dumps.iter().all(|d| d.complete && d.get(1) == Some(23016.0) && d.get(2).is_none()));
        assert_eq!(dumps[2].index, 2);
    }

    #[test]
    fn a_file_that_breaks_off_anywhere_never_gives_a_wrong_figure() {
        let text = DUMP.repeat(2);
        for end in 0..text.len() {
            let (dumps, summary) = cycles(&text.as_bytes()[..end]);
            for dump in &dumps {
                assert!(matches!(dump.get(1), None | Some(23016.0)), "cut at {end}: {dump:?}");
            }
            assert_eq!(summary.broken_off, dumps.iter().filter(|d| !d.complete).count() as u64);
        }
        let (dumps, summary) = cycles(&text.as_bytes()[..text.len() - 4]);
        assert_eq!((summary.dumps, summary.broken_off, dumps[1].complete), (2, 1, false));
    }

    #[test]
    fn a_dump_that_begins_inside_another_breaks_that_one_off() {
        let cut = DUMP.find("system").unwrap();
        let text = format!("{}{DUMP}", &DUMP[..cut]);
        let (dumps, summary) = cycles(text.as_bytes());
        assert_eq!((summary.dumps, summary.broken_off), (2, 1));
        assert_eq!((dumps[0].get(1), dumps[1].get(1)), (None, Some(23016.0)));
    }

    #[test]
    fn hostile_bytes_are_counted_and_survived() {
        let mut text = b"garbage before\nsystem.cpu.numCycles 7\n\xff\xfe\x00\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LINE_MAX + 5000));
        text.extend(b"\n");
        text.extend(DUMP.as_bytes());
        text.extend(b"---------- End Simulation Statistics   ----------\n");
        let (dumps, summary) = cycles(&text);
        assert_eq!((summary.dumps, summary.malformed), (1, 5));
        assert_eq!(dumps[0].get(1), Some(23016.0));
        assert_eq!(cycles(b"").1, Summary::default());
        assert_eq!(cycles(&vec![b'y'; 3 * LINE_MAX]).1.malformed, 1);
    }

    #[test]
    fn lines_across_buffers_are_whole() {
        struct Drip<'a>(&'a [u8]);
        impl Read for Drip<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let n = self.0.len().min(out.len()).min(3);
                out[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let text = DUMP.repeat(5);
        let (dumps, summary) =
            read_dumps(Drip(text.as_bytes()), |name| (name == "system.cpu.numCycles").then_some(1)).unwrap();
        assert_eq!((summary.dumps, summary.malformed), (5, 0));
        assert!(dumps.iter().all(|d| d.get(1) == Some(23016.0)));
    }
}
