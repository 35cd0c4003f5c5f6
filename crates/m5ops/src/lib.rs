//! gem5's pseudo-instructions as a library, for x86_64 and arm64.
//!
//! A program inside a guest uses them to talk to the simulator around it: leave with a code, mark work
//! items, read the run script, hand back files. Everywhere else they are undefined instructions, or reads of a
//! window that is firmware, so [`M5::open`] first proves that the machine is gem5 and refuses otherwise.
//!
//! Two forms reach the simulator. The *address* form reads a 64 KiB window of physical memory through `/dev/mem`
//! (root, any processor model, KVM too). The *instruction* form needs no privilege and works on gem5's own
//! processor models only; under KVM it is an illegal instruction.
#![doc = include_str!("../README.md")]
#![warn(clippy::exhaustive_enums)]

mod detect;
mod error;
mod file;
mod m5;
mod op;
#[cfg_attr(target_arch = "x86_64", path = "raw_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "raw_arm64.rs")]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), path = "raw_none.rs")]
mod raw;
mod window;

pub use detect::{
    Evidence, brand_is_gem5, brand_of_leaves, compatible_is_gem5, evidence, vendor_is_gem5, vendor_of_leaf,
};
pub use error::Error;
pub use m5::{FileReader, Form, M5};
pub use op::Op;
