//! The local APIC (`arch/x86/interrupts.cc`; register numbers: `arch/x86/regs/apic.hh`).

use super::Clock;
use crate::TransferError;
use crate::checkpoint::Checkpoint;
use crate::machine::Apic;

const REGISTERS: usize = 70;
const ID: usize = 0;
const TPR: usize = 2;
const LDR: usize = 6;
const DFR: usize = 7;
const SVR: usize = 8;
/// gem5 has 16 slots for each of these three; the first 8 count.
const ISR: usize = 9;
const TMR: usize = 25;
const IRR: usize = 41;
const ESR: usize = 57;
const ICR_LOW: usize = 58;
const ICR_HIGH: usize = 59;
const LVT: usize = 60;
const INITIAL: usize = 66;
const CURRENT: usize = 67;
const DIVIDE: usize = 68;
/// Software enable, at bit 8.
const INTERNAL: usize = 69;

/// Delivery status: gem5 does not send while it is set.
const SENDING: u32 = 1 << 12;

pub(super) fn put(
    out: &mut Checkpoint,
    apic: &Apic,
    number: u32,
    section: &str,
    clock: Clock,
) -> Result<(), TransferError> {
    let mut regs = out.numbers(section, "regs")?;
    if regs.len() != REGISTERS {
        let why = format!("{section}:regs has {} registers, not {REGISTERS}", regs.len());
        return Err(TransferError::Template { why });
    }
    let mut set = |at: usize, values: &[u32]| {
        for (slot, value) in regs.iter_mut().skip(at).zip(values) {
            *slot = u64::from(*value);
        }
    };
    set(ID, &[number << 24]);
    set(TPR, &[apic.tpr]);
    set(LDR, &[apic.log_dest << 24]);
    set(DFR, &[apic.dest_mode << 28 | 0x0FFF_FFFF]);
    set(SVR, &[apic.spurious]);
    set(ISR, &apic.isr);
    set(TMR, &apic.tmr);
    set(IRR, &apic.irr);
    set(ESR, &[apic.esr]);
    let [icr_low, icr_high] = apic.icr;
    set(ICR_LOW, &[icr_low & !SENDING]);
    set(ICR_HIGH, &[icr_high]);
    // The same order in both.
    set(LVT, &apic.lvt.map(|entry| entry & !SENDING));
    set(INITIAL, &[apic.initial_count]);
    // gem5 computes it from the timer's event.
    set(CURRENT, &[0]);
    set(DIVIDE, &[apic.divide & 0xB]);
    set(INTERNAL, &[apic.spurious & 0x100]);
    out.put_all(section, "regs", &regs)?;
    out.put(section, "IRRV", &highest(&apic.irr))?;
    out.put(section, "ISRV", &highest(&apic.isr))?;
    for key in ["pendingSmi", "pendingNmi", "pendingExtInt", "pendingInit", "pendingStartup", "pendingUnmaskableInt"] {
        out.put(section, key, &false)?;
    }
    for key in ["smiVector", "nmiVector", "extIntVector", "initVector", "startupVector", "pendingIPIs"] {
        out.put(section, key, &0)?;
    }
    out.put(section, "startedUp", &(number != 0))?;
    let expiry = apic.expiry.filter(|_| apic.initial_count != 0);
    out.put(section, "apicTimerEventScheduled", &expiry.is_some())?;
    out.put(section, "apicTimerEventTick", &expiry.map_or(Ok(0), |ns| clock.at(ns))?)
}

/// The highest vector of a set, 0 if there is none.
fn highest(words: &[u32; 8]) -> u32 {
    (0..8).zip(words).rev().find(|(_, word)| **word != 0).map_or(0, |(at, word)| 32 * at + word.ilog2())
}
