//! Waiting until a container serves, and finding out why it does not.

mod knock;
mod lines;
mod listeners;
mod look;
mod wait;
mod way;

pub(crate) use lines::Lines;
pub(crate) use wait::{Exit, Facts, Subject, wait};
