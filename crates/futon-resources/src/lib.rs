//! Resources: base image, kernel, initrd, guest tools, and the manifest that says what they are.

mod build;
mod compose;
mod digests;
mod folders;
mod functions;
mod gem5_json;
mod kernel;
mod lean;
mod manifest;
mod names;
mod source;
mod tools;

pub use build::{BaseOptions, Built, build_base};
pub use compose::{build_compose, find_compose};
pub use digests::Digests;
pub use folders::{can_be_written, default_folder, folders, own_folder, writable};
pub use functions::{build_function_images, sample_images};
pub use gem5_json::gem5_resources;
pub use kernel::{KernelCheck, KernelUse, check_kernel, kernel_banner};
pub use lean::{FoundLean, LeanPart, build_lean_part, find_lean};
pub use manifest::{Manifest, Problem, Resource};
pub use names::{
    BASE_IMAGE, CMDLINE, COMPOSE, FUTON_GUEST, IMAGES, INITRD, KERNEL, LEAN_CMDLINE, LEAN_INITRD, LEAN_KERNEL,
    LEAN_PACKAGES, PACKAGES, SECCOMP, TEST_CLIENT,
};
pub use source::{FoundBase, find_base, source_root};
pub use tools::install_tools;
