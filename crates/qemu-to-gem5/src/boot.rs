//! What QEMU starts with, so that the guest boots as if it were on gem5: the memory that gem5's X86 Linux loader would make, and a ROM that
//! jumps into it. Addresses are those of gem5 v20 to v25 (`FsWorkload`, `FsLinux`).

mod acpi;
mod elf;
mod memory;
mod mp;
mod rom;
mod template;

pub use memory::{Guest, write_memory};
pub use rom::{STOP_ADDRESS, STOP_SLOT, rom};
pub use template::template_kernel;
