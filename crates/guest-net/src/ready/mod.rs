//! Waiting until a container serves, and finding out why it does not.

mod knock;
mod lines;
mod listeners;
mod look;
mod subject;
mod wait;
mod way;

pub use lines::Lines;
pub use subject::{Exit, Facts, Subject};
pub use wait::{Readiness, wait};
