//! From a stopped QEMU machine to a checkpoint that gem5 restores.
//!
//! `boot` makes what QEMU starts with, `stream` reads the migration stream by its own description, `known` says of each field what
//! becomes of it, `machine` holds the typed state, `checkpoint` holds `m5.cpt`, `convert` writes the one into the other. All are
//! functions of bytes; only [`boot::write_memory`] writes a file.
#![doc = include_str!("../README.md")]

pub mod boot;
mod checkpoint;
mod convert;
mod error;
mod float80;
mod known;
mod machine;
mod misc;
mod stream;

pub use checkpoint::Checkpoint;
pub use convert::{Target, convert};
pub use error::TransferError;
pub use machine::Machine;
pub use misc::RULES_VERSION;
pub use stream::Stream;

#[cfg(test)]
mod fixture;
