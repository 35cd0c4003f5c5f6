//! What the guest of a staging machine and its host share.
//!
//! A staging machine is a QEMU in which a guest boots and warms up before gem5 takes its state over. It has no network and no
//! simulator: the guest gets its payload from, and writes its files to, a [window](layout) of physical memory behind its own.
//! The host sees the same bytes in the file that is the machine's memory ([`host`]). Before its measured calls the guest stops the
//! machine ([`guest::Stop`]), and goes on in gem5.

pub mod guest;
pub mod host;
pub mod layout;
#[cfg(test)]
mod tests;

/// The model name that the machine's processor gives by CPUID.
pub const BRAND: &str = "futon staging CPU";

/// The kernel parameter that names the window's physical address, in hexadecimal digits after `0x`.
pub const PARAMETER: &str = "futon.stage";

/// Physical address of the byte that stops the machine when 1 is written there (pvpanic-pci's event register).
pub const STOP: u64 = 0xFE00_0000;

/// Whether this program runs on a staging machine.
#[must_use]
pub fn is_here() -> bool {
    m5ops::evidence().words.contains(BRAND)
}
