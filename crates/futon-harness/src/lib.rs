//! The story of a run: a machine and its exchange give one stream of events, the verdict follows from it, the report tells it.
//!
//! Nothing here prints or exits; the program `futon` does.

pub mod report;
pub mod run;
pub mod verdict;
