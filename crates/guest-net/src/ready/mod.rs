//! Waiting until a container serves, and finding out why it does not.

mod knock;
mod lines;
mod listeners;
mod look;
mod wait;
mod way;

pub use lines::Lines;
pub use wait::{Exit, Facts, Readiness, Subject, wait};
