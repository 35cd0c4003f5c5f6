//! One run: a machine, its exchange, and one stream of events until the machine is gone.

mod engine;
mod watch;

pub use engine::{RunRecord, RunSetup, run};
