//! Warm bases: a booted machine that waits for work, saved once and forked for each run.

pub(crate) mod frozen;
mod holes;
mod key;
mod make;
mod rehearsal;
mod store;

pub use key::WarmKey;
pub use make::{MakeWarm, make_warm};
pub use store::{WarmBase, WarmStore};

pub(super) use store::{DISK, MEMORY, STATE};
