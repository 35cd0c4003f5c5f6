//! A run: the greeting, the warm-up, the measured calls, and what became of them.

mod calls;
mod tally;

pub use calls::{Plan, Transport, run};
pub use tally::{Tally, Verdict};
