//! The main job, in real virtual machines. Each test is ignored, by name and reason, unless it is asked for:
//! `make test` builds what they need and runs them (`cargo test -p futon --test qemu -- --ignored NAME` runs one).

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod calls;
mod companions;
mod describe;
mod faults;
mod forks;
mod host;
mod images;
mod jobs;
mod lean;
mod load;
mod made;
mod passes;
mod real;
mod staged;
