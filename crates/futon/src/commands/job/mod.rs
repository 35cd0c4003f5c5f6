//! Jobs: runs that can travel.

mod make;
mod resources;
mod run;

pub use make::{Parts, make, pack};
pub use run::run_job;
