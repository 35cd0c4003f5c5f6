//! One run: a machine and its exchange produce one stream of events; the verdict is derived from it, and the report shows it.
//!
//! Nothing here prints or exits; only the program `futon` does.

pub mod blame;
pub mod chance;
pub mod report;
pub mod run;
pub mod verdict;
