//! Jobs: runs that can travel.

mod make;
mod resources;
mod run;

pub use make::{Parts, make, pack, say_made};
pub use resources::{Wanted, find_or_make};
pub use run::{Bench, run_job, word_of};
