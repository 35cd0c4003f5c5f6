//! What futon's crates share: one error with its exit status and hint, text for people, and what tells one file from another.

mod error;
mod files;
mod named;
mod setup;
pub mod text;

pub use error::{Context, Error, Result};
pub use files::{copy_data, readable, sha256_bytes, sha256_file, sha256_of_data, shared, stamp};
pub use named::{folder_of, require_regular, require_writable, write_whole};
pub use setup::{Setup, has_recipes, installed_root};
