//! The file tree that an image's layers make, as a container of it would find it.
//!
//! Role: read layers, lay them over one another, hand out the tree and the bytes of its files; refuse what a Docker Engine refuses,
//! in its words. Boundary: nothing is unpacked on the disk, so no privileges are needed and no name in an image is ever a path of
//! this machine's.
//!
//! The engine (26.1 with `overlay2`) unpacks each layer into a directory of its own and has overlayfs lay those over one another. The
//! modules do the same in memory: `entry` reads an archive, `unpack` does with each entry what the engine does, on a `disk` that
//! answers as Linux would, and `overlay` merges the disks. `make differential` compares the result with the engine's.

mod acl;
mod attributes;
mod bounds;
mod disk;
mod entry;
mod error;
mod fault;
mod field;
mod layers;
mod overlay;
mod path;
mod pax;
mod sparse;
mod tree;
mod unpack;

pub use error::RootfsError;
pub use layers::{Reader, Rootfs};
pub use tree::{Content, Kind, Node, Piece, Time, Tree};
