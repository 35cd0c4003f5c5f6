//! The file tree that an image's layers make, as a container of it would find it.
//!
//! Role: read layers, lay them over one another, hand out the tree and the bytes of its files. Boundary: nothing is unpacked on the
//! disk, so no privileges are needed and no name in an image is ever a path of this machine's.

mod error;
mod layers;
mod tree;

pub use error::RootfsError;
pub use layers::{Piece, Rootfs};
pub use tree::{Content, Kind, Node, Tree};
