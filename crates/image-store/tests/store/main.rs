//! The store as other processes leave it: killed at any step, and several of them at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod child;
mod interrupted;
mod together;
