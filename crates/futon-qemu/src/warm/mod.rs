//! Warm bases: a booted machine that waits for work, saved once and forked for each run.

mod base;
pub(crate) mod frozen;
mod holes;
mod key;
mod make;
mod park;
mod rehearsal;
mod store;

pub use base::WarmBase;
pub use key::WarmKey;
pub use make::{MakeWarm, make_warm};
pub use store::WarmStore;

pub(super) use base::{DISK, MEMORY, STATE};
