//! What runs on simulated cores showed: means and differences of states with intervals, their tables, charts and pages, and studies of
//! several measurements.
#![warn(missing_docs)]

mod figures;
mod measurement;
mod runs;
mod study;

pub use figures::{Difference, Figures, short, written};
pub use measurement::{read, write_measurement};
pub use runs::{SameRuns, kept};
pub use study::Study;
