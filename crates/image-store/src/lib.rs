//! The store of function images: content-addressed, digest-pinned, shared by every run.
//!
//! Role: import images (OCI layout, `docker save` archive, registry), name them, check them, give out their
//! blobs. Boundary: knows nothing of HTTP or machines; the exchange serves what it finds here.
#![doc = include_str!("../README.md")]
#![warn(missing_docs, clippy::exhaustive_enums)]

mod archive;
mod blobs;
mod choice;
mod config;
mod error;
mod go_types;
mod import;
mod json;
mod layout;
mod lock;
mod manifest;
mod names;
mod packed;
mod platform;
mod registry;
pub mod rootfs;
mod source;
mod store;
mod verify;

pub use config::{Healthcheck, Ignored, ImageConfig, RunConfig};
pub use error::StoreError;
pub use manifest::{Descriptor, media_type};
pub use names::{StoredImage, Variant};
pub use packed::{Compression, UNPACKED_MAX, is_cut, is_too_large, unpacked};
pub use platform::architecture_word;
pub use registry::RegistryOptions;
pub use store::{Added, ImageStore, Removed};
pub use verify::{Problem, Verification};
