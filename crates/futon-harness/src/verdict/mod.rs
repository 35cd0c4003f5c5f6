//! The verdict: a pure function of the plan and of independent witnesses. A pass needs positive proof.

mod checks;
mod companions;
mod explain;
mod judge;
mod oddities;
mod ports;
#[cfg(test)]
mod properties;
mod replies;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
mod witnesses;

pub use checks::{as_expected, check_logs};
pub use judge::judge;
pub(crate) use replies::thresholds_hold;
pub use witnesses::Witnesses;
