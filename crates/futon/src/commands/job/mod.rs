//! Jobs: runs that can travel.

mod make;
mod resources;
mod run;

pub use make::{Parts, pack, say_made};
pub use resources::{Wanted, find_or_make, resources_of};
pub use run::{Bench, run_job};
