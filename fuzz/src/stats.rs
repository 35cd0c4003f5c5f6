//! gem5's `stats.txt`, and the rows made from it.

use std::io::{self, Read};
use std::ops::ControlFlow;

use gem5_stats::{CoreModel, DumpLabel, Item, Layout, RowContext, Summary, read_rows, read_stats, rows, write_rows};

/// Gives a few bytes at a time.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.0.len().min(out.len()).min(self.1);
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// What the reader comes upon, as text.
fn items(text: impl Read) -> (Vec<String>, Summary) {
    let mut all = Vec::new();
    let summary = read_stats(text, |item| {
        if let Item::Stat(stat) = &item {
            assert!(!stat.name.is_empty() && !stat.name.contains(|c: char| c.is_ascii_whitespace()), "{stat:?}");
            for cell in stat.cells() {
                let _ = (cell.value, cell.percent, cell.cumulative);
            }
        }
        all.push(format!("{item:?}"));
        ControlFlow::Continue(())
    });
    (all, summary.expect("reading memory"))
}

/// The file reads the same however it comes, every dump ends or breaks off, and its rows survive being written and read.
pub fn stats(data: &[u8]) {
    let (whole, summary) = items(data);
    let size = data.first().map_or(1, |b| usize::from(*b).max(1));
    assert_eq!((&whole, summary), (&items(Drip(data, size)).0, items(Drip(data, size)).1), "in pieces of {size}");
    assert_eq!(summary.bytes, data.len() as u64);
    let count = |begin: &str| whole.iter().filter(|item| item.starts_with(begin)).count() as u64;
    assert_eq!(count("Begin"), summary.dumps);
    assert_eq!(count("BrokenOff"), summary.broken_off);
    assert_eq!(count("End") + count("BrokenOff"), summary.dumps);

    let label = |dump, core| DumpLabel { dump, invocation: dump, core };
    let labels: Vec<_> = [CoreModel::Atomic, CoreModel::Timing, CoreModel::O3, CoreModel::Kvm]
        .map(|c| label(0, c))
        .into_iter()
        .collect();
    let layout = Layout { core: "system.cpu1".into(), llc: Some("system.llc".into()), stand_ins: Vec::new() };
    let context = RowContext { function: "a,\"b\"".into(), ..RowContext::default() };
    let (made, _) = rows(data, &layout, &labels, &context).expect("reading memory");
    assert_eq!(made.len(), labels.len());
    for column in ["insts_user", "active_cycles", "cpi", "ipc", "l1i_mpki", "host_mips"] {
        for row in &made {
            assert!(row.number(column).is_none_or(f64::is_finite), "{column} is {:?}", row.get(column));
        }
    }
    let mut text = Vec::new();
    write_rows(&mut text, &made).expect("writing to memory");
    let read = read_rows(text.as_slice(), "rows.csv").expect("rows that were written");
    let mut again = Vec::new();
    write_rows(&mut again, &read).expect("writing to memory");
    assert_eq!(text, again, "rows change when they are read and written");
    // The same bytes as a CSV: an error or rows, never a panic.
    if let Ok(rows) = read_rows(data, "any.csv") {
        let mut text = Vec::new();
        write_rows(&mut text, &rows).expect("writing to memory");
        assert_eq!(read_rows(text.as_slice(), "again.csv").expect("rows that were written").len(), rows.len());
    }
}
