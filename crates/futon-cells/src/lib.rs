//! Suites in parts: which function goes to which shard, what a shard says about itself, and the merge that proves that nothing is missing.
//!
//! It starts no machine and prints nothing.
#![warn(missing_docs)]

mod merge;
mod shard;
mod suite;
#[cfg(test)]
mod suite_tests;
mod timings;
mod weights;

pub use merge::{Difference, Merged, Place, Problem, Said, merge, relative};
pub use shard::{MOST_SHARDS, Shard, assign};
pub use suite::{Member, SUITE_FILE, SUITE_SCHEMA, Suite};
pub use timings::{TIMINGS_SCHEMA, Timings};
pub use weights::{Known, Unit, Weights, weigh};
