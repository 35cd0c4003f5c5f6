//! Machine and template to checkpoint.

mod apic;
mod core;
mod devices;

use crate::checkpoint::Checkpoint;
use crate::{Machine, TransferError};

/// The simulated machine that the checkpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Cores; the stopped machine and the template have as many.
    pub cpus: u32,
    /// A core's clock period, ps. The time stamp counter counts it, and ran at 1 GHz in QEMU: 1000.
    pub period_ps: u64,
    /// The guest's memory, bytes.
    pub memory_bytes: u64,
}

/// gem5's ticks (ps) of moments on QEMU's clock (ns).
#[derive(Clone, Copy, Debug)]
struct Clock {
    ns: u64,
    tick: u64,
}

impl Clock {
    fn new(ns: u64) -> Result<Self, TransferError> {
        let tick = ns.checked_mul(1000).ok_or_else(too_late)?;
        Ok(Self { ns, tick })
    }

    /// What is due already comes a nanosecond later.
    fn at(self, ns: i128) -> Result<u64, TransferError> {
        let ahead = (ns - i128::from(self.ns)).max(1) * 1000;
        u64::try_from(i128::from(self.tick) + ahead).map_err(|_| too_late())
    }
}

fn too_late() -> TransferError {
    TransferError::Refused { why: "a time lies beyond gem5's 64 bits of picoseconds".into() }
}

/// A checkpoint of the stopped machine: the template with processors, interrupt controllers, UART, clock and memory size replaced. The
/// template is a checkpoint that the same gem5, with the same configuration and number of cores, wrote at power-on. No key is added.
///
/// # Errors
/// [`TransferError::Template`] when a key is missing or the template is of another machine, [`TransferError::Refused`] when the numbers of
/// cores differ or a time does not fit.
pub fn convert(machine: &Machine, template: &Checkpoint, target: &Target) -> Result<Checkpoint, TransferError> {
    let cores = u32::try_from(machine.cores.len()).unwrap_or(u32::MAX);
    if cores != target.cpus {
        let why = format!("the stopped machine has {cores} cores, {} are wanted", target.cpus);
        return Err(TransferError::Refused { why });
    }
    if target.period_ps == 0 {
        return Err(TransferError::Refused { why: "a clock without period".into() });
    }
    if template.has(&path(cores, cores)) || (cores > 1 && template.has("system.cpu")) {
        return Err(TransferError::Template { why: format!("it has another number of cores than {cores}") });
    }
    let clock = Clock::new(machine.stopped_at)?;
    let mut out = template.clone();
    let globals = if out.has("root.globals") { "root.globals" } else { "Globals" };
    out.put(globals, "curTick", &clock.tick)?;
    for (number, core) in (0..cores).zip(&machine.cores) {
        core::put(&mut out, core, number, &path(number, cores), clock, target.period_ps)?;
    }
    devices::put(&mut out, machine, clock)?;
    out.put("system.physmem.store0", "range_size", &target.memory_bytes)?;
    // Names a file beside the checkpoint, or is refused.
    out.memory_file()?;
    Ok(out)
}

/// A core's section: `system.cpu` where it is alone.
fn path(number: u32, cores: u32) -> String {
    if cores == 1 && number == 0 { "system.cpu".to_owned() } else { format!("system.cpu{number}") }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
