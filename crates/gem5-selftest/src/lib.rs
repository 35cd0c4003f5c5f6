//! The self-test of a simulated core: small programs whose cost follows from the parameters, and the cost that gem5 counted beside it.
//!
//! `geometry` knows the sizes of a system before it runs, `suite` makes programs of them, `work` is what the guest is told. `config` reads
//! what gem5 was configured with, `model` takes the parameters in force from it, `expect` has a formula for each test, and `judge`
//! compares. Nothing here starts a machine.

pub mod config;
pub mod expect;
pub mod geometry;
pub mod judge;
pub mod model;
pub mod suite;
pub mod work;
