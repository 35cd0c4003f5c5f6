//! Questions that are put to futon and to the engine in the guest, and how their answers are compared.
//!
//! File systems of images: [`crafted`] and [`generated`] make layers, [`line`] writes a tree down, the program `engine-trees` has the
//! engine in the guest make the same tree and writes that down, and `tests/trees.rs` compares.

#![warn(missing_docs)]

pub mod crafted;
pub mod generated;
pub mod image;
pub mod line;
pub mod member;
pub mod walk;
