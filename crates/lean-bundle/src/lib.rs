//! OCI bundles for the lean guest, made on the host from the image store as one tar stream.
//!
//! Role: write the container's settings as a Docker Engine would set them, and stream them with the image's file tree
//! (`image_store::rootfs`). Boundary: nothing is unpacked on the host's disk, so no privileges are needed and no
//! name in an image is ever a path of the host's.

mod addresses;
mod capabilities;
mod config;
mod furnish;
mod host_files;
mod image;
mod logging;
mod make;
mod mounts;
mod names;
mod part;
mod refusals;
mod refused_key;
mod restart;
mod seccomp;
mod service;
mod service_mounts;
mod settings;
mod signal;
mod users;
mod volumes;
mod write;

pub use addresses::BundleNetwork;
pub use config::ContainerPlace;
pub use image::{ImageHealthcheck, ImageSettings};
pub use make::{Bundle, BundleRecipe};
pub use part::BundleContainer;
pub use refused_key::RefusedKey;
pub use seccomp::seccomp_of_profile;
pub use service::{lean_networks, lean_settings};
pub use settings::{
    Limits, MountSource, Names, NetworkPlace, Seccomp, Security, ServiceMount, ServiceNet, ServiceSettings, Shm,
};
pub use signal::{signal_number, stop_signal};
pub use users::{User, find_user};
