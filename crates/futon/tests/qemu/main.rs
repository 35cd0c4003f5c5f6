//! The main job, in real virtual machines. `make test` sets `FUTON_TEST_QEMU=1` and builds what is needed; without it
//! each test says that it was skipped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod faults;
mod forks;
mod host;
mod images;
mod lean;
mod passes;
mod real;
