//! The gem5 machine: recorded runs replayed through the engine, and real ones where `GEM5` names a simulator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod real;
mod replay;
mod selftest;
mod support;
mod sweep;
