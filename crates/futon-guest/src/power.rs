//! Switching the machine off.

use std::convert::Infallible;

use guest_net::{Context, Result};
use nix::sys::reboot::{RebootMode, reboot};

/// Writes everything out, then switches the machine off at once: what runs is not asked.
pub(crate) fn off() -> Result<Infallible> {
    nix::unistd::sync();
    // Last words on a serial console would otherwise be lost.
    let _ = nix::sys::termios::tcdrain(std::io::stdout());
    if let Ok(m5) = m5ops::M5::open() {
        // A simulated machine that is switched off is only idle: the simulation has to be left.
        m5.exit(0);
    }
    reboot(RebootMode::RB_POWER_OFF).context("cannot switch the machine off (only root may)")
}
