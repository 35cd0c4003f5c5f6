//! Warm bases: a booted machine that waits for work, saved once and forked for each run.

mod base;
pub(crate) mod frozen;
mod holes;
mod inputs;
mod key;
mod make;
pub(crate) mod names;
mod park;
mod rehearsal;
mod script;
mod store;

pub use base::WarmBase;
pub use inputs::MakeWarm;
pub use key::WarmKey;
pub use make::make_warm;
pub use store::WarmStore;
