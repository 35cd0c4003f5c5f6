//! The stopped machine as typed state: what gem5 gets, and no more. The memory is a file of its own.

mod parts;
mod read;

pub(crate) use parts::{Apic, Core, Segment};

use parts::{IoApic, Pic, Rtc, Uart};
use read::Fields;

use crate::TransferError;
use crate::known;
use crate::stream::Stream;

/// Nanoseconds that QEMU's clock may have gone on after the guest's stop.
const LATEST: i128 = 10_000_000;

/// A stopped machine: cores, interrupt controllers, UART, clock. Made by [`Machine::from_stream`].
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) cores: Vec<Core>,
    pub(crate) io_apic: IoApic,
    pub(crate) pics: [Pic; 2],
    pub(crate) uart: Uart,
    pub(crate) rtc: Rtc,
    /// When the guest stopped the machine, ns since its start.
    pub(crate) stopped_at: u64,
}

impl Machine {
    /// The machine that a stream holds; every field of the stream is judged.
    ///
    /// # Errors
    /// [`TransferError::Unknown`] for what has no rule, [`TransferError::NotAtRest`] for what cannot be moved now,
    /// [`TransferError::Refused`] when register 15 of core 0 does not hold the time of the stop (what RDTSC said, ns).
    pub fn from_stream(stream: &Stream, cpus: u32) -> Result<Self, TransferError> {
        if cpus == 0 {
            return Err(TransferError::Refused { why: "a machine without cores".into() });
        }
        known::check(stream, cpus)?;
        let stopped_at = stopped_at(stream)?;
        let cores = (0..cpus).map(|n| read::core(stream, n, stopped_at)).collect::<Result<_, _>>()?;
        read::pit_at_rest(&Fields::of(stream, "i8254", 0)?)?;
        Ok(Self {
            cores,
            io_apic: read::io_apic(&Fields::of(stream, "ioapic", 0)?)?,
            pics: [read::pic(&Fields::of(stream, "i8259", 0)?)?, read::pic(&Fields::of(stream, "i8259", 1)?)?],
            uart: read::uart(&Fields::of(stream, "serial", 0)?)?,
            rtc: read::rtc(&Fields::of(stream, "mc146818rtc", 0)?)?,
            stopped_at,
        })
    }

    /// When the guest stopped the machine: nanoseconds since its start, which is also its time stamp counter.
    pub const fn stopped_at_ns(&self) -> u64 {
        self.stopped_at
    }
}

/// QEMU's clock may have gone on to the next timer between the guest's stop and the save. What the guest itself read in the instruction
/// before is the truth: it is in register 15 of core 0.
fn stopped_at(stream: &Stream) -> Result<u64, TransferError> {
    let timer = Fields::of(stream, "timer", 0)?;
    if !timer.has("timer/icount") {
        let why =
            "the stream has no timer/icount: only QEMU with -icount shift=0,sleep=off counts time in instructions";
        return Err(TransferError::Refused { why: why.into() });
    }
    // shift=0: an instruction is a nanosecond.
    let clock = timer.number("timer/icount.qemu_icount")? + timer.number("timer/icount.qemu_icount_bias")?;
    let [.., stopped] = Fields::of(stream, "cpu", 0)?.array::<u64, 16>("env.regs[]")?;
    if !(0..LATEST).contains(&(clock - i128::from(stopped))) {
        let why =
            format!("register 15 of core 0 holds no time of the stop: {stopped}; the machine's clock is {clock} ns");
        return Err(TransferError::Refused { why });
    }
    Ok(stopped)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
