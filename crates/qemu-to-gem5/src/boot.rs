//! What QEMU starts with, so that the guest boots as if it were on gem5: the memory that gem5's X86 Linux loader would make, and a ROM that
//! jumps into it. Addresses are those of gem5 v20 to v25 (`FsWorkload`, `FsLinux`).

mod acpi;
mod elf;
mod memory;
mod mp;
mod rom;
mod template;

pub use memory::{Guest, write_memory};
pub use rom::rom;
pub use template::template_kernel;

/// PCI slot of the device that stops the machine (`pvpanic-pci,addr=0x1e`).
pub const STOP_SLOT: u32 = 0x1e;
/// Physical address at which the ROM maps that device's register: a write of 1 stops the machine.
pub const STOP_ADDRESS: u64 = 0xFE00_0000;
