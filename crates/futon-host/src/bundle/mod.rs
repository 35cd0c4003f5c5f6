//! OCI bundles for the lean guest, made on the host from the image store as one tar stream.
//!
//! Role: lay an image's layers over one another (whiteouts, links, owners, modes), write the container's settings as a Docker
//! Engine would set them, and stream both. Boundary: nothing is unpacked on the host's disk, so no privileges are needed and no
//! name in an image is ever a path of the host's.

mod config;
mod layers;
mod make;
mod payload;
mod seccomp;
mod tree;
mod users;
mod write;

pub use config::{ContainerConfig, ContainerPlace, ImageSettings, ServiceSettings, oci_config};
pub use make::{Bundle, BundleContainer};
pub use payload::{PAYLOAD_MARK, PayloadFile, payload_header, write_payload};
pub use seccomp::seccomp_of_profile;
pub use tree::{Content, Kind, Node, Tree};
pub use users::{User, find_user};
