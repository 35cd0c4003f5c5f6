//! A core: miscellaneous registers (`.isa`), thread (`.xc.0`), local APIC, empty TLBs.

use super::{Clock, apic};
use crate::checkpoint::Checkpoint;
use crate::float80;
use crate::machine::{Core, Segment};
use crate::{TransferError, misc};

// Flags that gem5 keeps in condition-code registers (arch/x86/x86_traits.hh, regs/misc.hh).
const ZAPS: u64 = 0x04 | 0x10 | 0x40 | 0x80;
const CFOF: u64 = 0x01 | 0x800;
const DF: u64 = 0x400;

const ACTIVE: u32 = 0;
const SUSPENDED: u32 = 1;
const POWER_ON: u32 = 1;
const CLOCK_GATED: u32 = 2;

pub(super) fn put(
    out: &mut Checkpoint,
    core: &Core,
    number: u32,
    path: &str,
    clock: Clock,
    period_ps: u64,
) -> Result<(), TransferError> {
    registers(out, core, &format!("{path}.isa"), clock, period_ps)?;
    let thread = format!("{path}.xc.0");
    threads(out, core, &thread)?;
    out.put(&format!("{path}.power_state"), "currState", &(if core.halted { CLOCK_GATED } else { POWER_ON }))?;
    // gem5 writes the local APIC in two places, and reads both.
    for section in [thread, format!("{path}.interrupts")] {
        apic::put(out, &core.apic, number, &section, clock)?;
    }
    // No entry of a TLB comes along.
    for tlb in ["itb", "dtb"] {
        let section = format!("{path}.mmu.{tlb}");
        out.put(&section, "_size", &0)?;
        out.remove_sections(&format!("{section}.Entry"));
    }
    Ok(())
}

/// gem5's miscellaneous registers, by name.
struct Misc {
    names: Vec<String>,
    values: Vec<u64>,
}

impl Misc {
    fn read(out: &Checkpoint, section: &str) -> Result<Self, TransferError> {
        let mut names = misc::names();
        let values = out.numbers(section, "regVal")?;
        match values.len() {
            misc::WITH_XCR0 => {}
            misc::WITHOUT_XCR0 => names.truncate(misc::WITHOUT_XCR0),
            other => {
                let why = format!(
                    "{section}:regVal: this gem5 has {other} miscellaneous registers; {} (v23) and {} (v24.0) are known",
                    misc::WITHOUT_XCR0,
                    misc::WITH_XCR0
                );
                return Err(TransferError::Template { why });
            }
        }
        Ok(Self { names, values })
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    fn put(&mut self, name: &str, value: u64) {
        if let Some((_, slot)) = self.names.iter().zip(&mut self.values).find(|(n, _)| *n == name) {
            *slot = value;
        }
    }

    fn put_row(&mut self, prefix: &str, values: &[u64]) {
        for (number, value) in values.iter().enumerate() {
            self.put(&format!("{prefix}{number}"), *value);
        }
    }

    fn put_segment(&mut self, name: &str, segment: Segment, effective_base: u64, usable: bool) {
        self.put(&format!("{name}_sel"), segment.selector);
        self.put(&format!("{name}_base"), segment.base);
        self.put(&format!("{name}_effbase"), effective_base);
        self.put(&format!("{name}_limit"), segment.limit);
        self.put(&format!("{name}_attr"), attributes(segment.flags, usable));
    }
}

fn registers(
    out: &mut Checkpoint,
    core: &Core,
    section: &str,
    clock: Clock,
    period_ps: u64,
) -> Result<(), TransferError> {
    let mut misc = Misc::read(out, section)?;
    let [cr0, cr2, cr3, cr4] = core.control;
    misc.put("cr0", cr0);
    misc.put("cr2", cr2);
    misc.put("cr3", cr3);
    misc.put("cr4", cr4);
    misc.put("cr8", u64::from(core.apic.tpr >> 4));
    misc.put_row("dr", &core.debug);
    misc.put("rflags", core.flags & !(ZAPS | CFOF | DF));
    // gem5 keeps the distance to the core's count of cycles.
    misc.put("tsc", clock.ns.wrapping_sub(clock.tick.div_ceil(period_ps)));
    let m = &core.model;
    misc.put("sysenter_cs", m.sysenter_cs);
    misc.put("sysenter_esp", m.sysenter_esp);
    misc.put("sysenter_eip", m.sysenter_eip);
    misc.put("pat", m.pat);
    misc.put("mtrr_deftype", m.mtrr_deftype);
    misc.put_row("mtrr_base", &m.mtrr_base);
    misc.put_row("mtrr_mask", &m.mtrr_mask);
    misc.put_row("mtrr_fix", &m.mtrr_fixed);
    misc.put("efer", m.efer);
    misc.put("star", m.star);
    misc.put("lstar", m.lstar);
    misc.put("cstar", m.cstar);
    misc.put("sfmask", m.sfmask);
    misc.put("kernel_gs_base", m.kernel_gs_base);
    misc.put("tsc_aux", m.tsc_aux);
    misc.put("mxcsr", m.mxcsr);
    misc.put("apic_base", core.apic.base);
    for (name, segment) in ["es", "cs", "ss", "ds", "fs", "gs"].into_iter().zip(core.segments) {
        // Bases other than those of FS and GS do not count in 64-bit mode.
        let base = if matches!(name, "fs" | "gs") { segment.base } else { 0 };
        misc.put_segment(name, segment, base, true);
    }
    let present = |segment: Segment| segment.flags & 0x8000 != 0;
    misc.put_segment("tsl", core.ldt, core.ldt.base, present(core.ldt) && core.ldt.selector != 0);
    misc.put_segment("tr", core.tr, core.tr.base, present(core.tr));
    for (name, table) in [("tsg", core.gdt), ("idtr", core.idt)] {
        misc.put(&format!("{name}_base"), table.base);
        misc.put(&format!("{name}_effbase"), table.base);
        misc.put(&format!("{name}_limit"), table.limit);
    }
    x87(&mut misc, core, section)?;
    out.put_all(section, "regVal", &misc.values)
}

fn x87(misc: &mut Misc, core: &Core, section: &str) -> Result<(), TransferError> {
    let x87 = &core.x87;
    misc.put("fcw", x87.control);
    misc.put("fsw", x87.status & !0x3800);
    misc.put("x87_top", x87.status >> 11 & 7);
    let tags = tags(x87.valid);
    misc.put("ftag", tags);
    if misc.has("xcr0") {
        misc.put("xcr0", 1);
        misc.put("ftw", tags);
    } else if x87.valid & 0xFF != 0 {
        // v23.0 keeps 8 bits of the tag word, v23.1 all 16; both have as many registers. An empty stack is what the template has.
        let why = format!("{section}: x87 or MMX registers are in use, and v23 may cut their tags");
        return Err(TransferError::Refused { why });
    }
    for name in ["fiseg", "fioff", "foseg", "fooff", "fop"] {
        misc.put(name, 0);
    }
    Ok(())
}

/// The x87 tag word: two bits a register, 0 = valid, 3 = empty.
fn tags(valid: u64) -> u64 {
    (0..8).filter(|register| valid >> register & 1 == 0).map(|register| 3 << (2 * register)).sum()
}

/// The descriptor's upper word as QEMU keeps it, to gem5's `SegAttr` (arch/x86/regs/misc.hh).
fn attributes(flags: u64, usable: bool) -> u64 {
    let bit = |at: u32| flags >> at & 1;
    let kind = |at: u32| flags >> (8 + at) & 1;
    // gem5 does not derive these three from the type when it reads a checkpoint.
    let (writable, readable, down) = match (bit(12), kind(3)) {
        (0, _) => (1, 1, 0),             // system segment
        (_, 1) => (0, kind(1), 0),       // code
        (_, _) => (kind(1), 1, kind(2)), // data
    };
    (flags >> 13 & 3)                       // privilege level
        | u64::from(!usable) << 2
        | bit(22) << 3                      // default size
        | bit(21) << 4                      // long mode
        | bit(20) << 5                      // available
        | bit(23) << 6                      // granularity
        | bit(15) << 7                      // present
        | (flags >> 8 & 15) << 8            // type
        | writable << 12
        | readable << 13
        | down << 14
        | bit(12) << 15 // not a system segment
}

fn threads(out: &mut Checkpoint, core: &Core, section: &str) -> Result<(), TransferError> {
    // The first of gem5's registers; microcode's own keep the template's values.
    put_registers(out, section, "regs.integer", &core.registers)?;
    let mut floating: Vec<u64> =
        core.x87.registers.iter().map(|(mantissa, exponent)| float80::to_register(*mantissa, *exponent)).collect();
    floating.extend(core.xmm.iter().flatten());
    put_registers(out, section, "regs.floating_point", &floating)?;
    put_registers(out, section, "regs.condition_code", &[core.flags & ZAPS, core.flags & CFOF, core.flags & DF, 0, 0])?;
    // What PCState::set makes (arch/x86/pcstate.hh).
    out.put(section, "_pc", &core.rip)?;
    out.put(section, "_upc", &0)?;
    out.put(section, "_npc", &core.rip.wrapping_add(8))?;
    out.put(section, "_nupc", &1)?;
    out.put(section, "_size", &0)?;
    out.put(section, "_status", &(if core.halted { SUSPENDED } else { ACTIVE }))
}

/// 64-bit registers as gem5 v23 and later write them: single bytes, little end first.
fn put_registers(out: &mut Checkpoint, section: &str, key: &str, registers: &[u64]) -> Result<(), TransferError> {
    let mut bytes = out.numbers(section, key)?;
    let wanted = registers.len() * 8;
    if bytes.len() < wanted || bytes.iter().any(|b| *b > 0xFF) {
        let why = format!("{section}:{key} is no list of {wanted} bytes or more (gem5 v23 or later)");
        return Err(TransferError::Template { why });
    }
    let values = registers.iter().flat_map(|r| r.to_le_bytes());
    for (slot, value) in bytes.iter_mut().zip(values) {
        *slot = u64::from(value);
    }
    out.put_all(section, key, &bytes)
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
