//! The file tree that an image's layers form, as its container would see it.
//!
//! Role: read layers, merge them, give out the tree and the bytes of its files; refuse what Docker Engine refuses,
//! with its messages. Boundary: nothing is unpacked on the disk, so no privileges are needed and no name in an image is ever a path on
//! the host.
//!
//! The engine (26.1 with `overlay2`) unpacks each layer into its own directory, and overlayfs merges them. The
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
mod inode;
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
