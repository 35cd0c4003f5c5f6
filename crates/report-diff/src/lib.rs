//! What differs between two reports, how functions fared over many, and whose fault a failure is: verdicts, times beyond noise, inputs that
//! changed.
//!
//! Pure functions of reports and samples: the caller reads the files and shows the results.
#![warn(missing_docs)]

mod blame;
mod diff;
mod fisher;
mod inputs;
mod noise;
mod packages;
mod random;
#[cfg(test)]
mod testing;
mod trend;
mod wilson;

pub use blame::{Blame, Findings, Tally};
pub use diff::{
    Brief, DIFF_SCHEMA, Diff, FALSE_DISCOVERIES, FigureChange, Samples, Side, SideReport, Values, VerdictChange,
    VerdictKind, diff,
};
pub use inputs::InputChange;
pub use noise::{Noise, PERMUTATIONS, adjusted, compare, median};
pub use packages::{PackageChange, Packages, package_changes, packages};
pub use trend::{Break, FunctionTrend, Mark, Point, Run, TREND_SCHEMA, Trend, trend};
pub use wilson::{Rate, rate};
