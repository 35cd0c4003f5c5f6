//! A run: the greeting, the warm-up, the measured calls, and what became of them.

mod calls;
mod plan;
mod tally;

pub use calls::run;
pub use plan::Plan;
pub use tally::{Tally, Verdict};
