//! QEMU, 6.2 to 10: x86_64 on q35.

mod accel;
mod args;
mod boot;
mod confine;
mod disk;
mod host_core;
mod machine;
mod program;
mod qmp;
mod stage;
mod start;
mod warm;

pub use accel::{AcceleratorChoice, AcceleratorRequest, choose_accelerator};
pub use args::{ConsoleTo, Memory, QemuArguments, qemu_arguments};
pub use disk::{Whose, copy_raw, image_format, make_overlay, pack_disk, probe_image, unpack_disk};
pub use machine::QemuMachine;
pub use program::{QEMU, qemu_version};
pub use stage::{Seen, StagingMachine, StagingQemu};
pub use warm::{MakeWarm, WarmBase, WarmKey, WarmStore, make_warm};
