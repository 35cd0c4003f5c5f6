//! Names of files and folders in the resources folder.

/// File name of the base image in the resources folder.
pub const BASE_IMAGE: &str = "base-disk-image.img";
/// File name of the kernel.
pub const KERNEL: &str = "kernel";
/// File name of the initrd.
pub const INITRD: &str = "initrd";
/// File name of the recommended kernel command line.
pub const CMDLINE: &str = "cmdline";
/// File name of Docker Compose.
pub const COMPOSE: &str = "docker-compose";
/// File name of the guest tool.
pub const FUTON_GUEST: &str = "futon-guest";
/// File name of the test client.
pub const TEST_CLIENT: &str = "test-client";
/// Folder of the function images' store.
pub const IMAGES: &str = "images";
/// File name of the lean guest's kernel.
pub const LEAN_KERNEL: &str = "lean-kernel";
/// File name of the lean guest's initramfs.
pub const LEAN_INITRD: &str = "lean-initrd";
/// File name of the lean guest's recommended kernel command line.
pub const LEAN_CMDLINE: &str = "lean-cmdline";
/// List of the base image's packages: a line each, name, tab, version.
pub const PACKAGES: &str = "packages.txt";
/// List of the lean guest's packages.
pub const LEAN_PACKAGES: &str = "lean-packages.txt";
/// File name of Docker's default seccomp profile.
pub const SECCOMP: &str = "lean-seccomp.json";
