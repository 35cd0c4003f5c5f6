//! The command line: Go's flag syntax on the outside, one typed `Options` on the inside.

mod go_flags;
mod load;
mod options;
mod values;

pub use go_flags::normalise;
pub use options::Options;
