//! Statistics of a simulated run: from gem5's `stats.txt` to one tidy row an invocation, and to charts.
//!
//! `text` reads the file, `names` knows what a figure is called in which version of gem5, `rows` makes rows from dumps and
//! labels, `csv` keeps them, `interval` says how sure a mean over runs is, `chart` draws rows, and `bars` means with their intervals. Nothing here knows how the simulator was run.
#![doc = include_str!("../README.md")]

mod bars;
mod chart;
mod core;
mod csv;
mod interval;
mod line;
mod metrics;
mod names;
mod rows;
mod text;

pub use bars::{Bar, BarGroup, Bars, Part, bar_chart, page};
pub use chart::{Chart, charts_page};
pub use core::CoreModel;
pub use csv::{field, read_rows, write_rows};
pub use interval::{Interval, interval, paired};
pub use line::{Cell, Line, Stat, parse_line};
pub use metrics::{METRICS, of_a_run};
pub use names::{Figure, Layout};
pub use rows::{COLUMNS, Context as RowContext, DumpLabel, Row, comparable, converged, rows};
pub use text::{Dump, Item, Summary, read_dumps, read_stats};
