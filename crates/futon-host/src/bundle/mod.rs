//! OCI bundles for the lean guest, made on the host from the image store as one tar stream.
//!
//! Role: write the container's settings as a Docker Engine would set them, and stream them with the image's file tree
//! (`image_store::rootfs`). Boundary: nothing is unpacked on the host's disk, so no privileges are needed and no
//! name in an image is ever a path of the host's.

mod config;
mod make;
mod seccomp;
mod service;
mod users;
mod write;

pub use config::{ContainerConfig, ContainerPlace, ImageSettings, ServiceSettings, oci_config};
pub use make::{Bundle, BundleContainer};
pub use seccomp::seccomp_of_profile;
pub use users::{User, find_user};
