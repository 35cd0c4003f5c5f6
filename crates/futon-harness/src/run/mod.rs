//! One run: a machine, its exchange, and one stream of events until the machine has ended.

mod engine;
mod watch;

pub use engine::{RunRecord, RunSetup, run};
