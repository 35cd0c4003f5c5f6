//! From the stream's fields to typed state, with the checks that need more than one field.

use super::parts::{Apic, Core, IoApic, Model, Pic, Rtc, Segment, Table, Uart, X87};
use crate::TransferError;
use crate::known::{HARD, POLL, not_at_rest};
use crate::stream::{Section, Stream, Value};

/// A section's fields by path.
pub(super) struct Fields<'a>(&'a Section);

impl<'a> Fields<'a> {
    pub(super) fn of(stream: &'a Stream, device: &str, instance: u32) -> Result<Self, TransferError> {
        let found = stream.sections().iter().find(|s| s.device() == device && s.instance == instance);
        found
            .map(Self)
            .ok_or_else(|| TransferError::Unknown { what: format!("the stream has no section {device} {instance}") })
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.items.iter().any(|item| *item.path == *path)
    }

    fn values(&self, path: &str) -> impl Iterator<Item = &'a Value> {
        self.0.items.iter().filter(move |item| *item.path == *path).map(|item| &item.value)
    }

    fn malformed(&self, path: &str, why: &str) -> TransferError {
        TransferError::Unknown { what: format!("{}: {path} {why}", self.0.title()) }
    }

    fn refused(&self, path: &str, value: &impl ToString, why: &str) -> TransferError {
        not_at_rest(self.0, path, &value.to_string(), why)
    }

    pub(super) fn number(&self, path: &str) -> Result<i128, TransferError> {
        let [number] = self.array(path)?;
        Ok(number)
    }

    fn get<T: TryFrom<i128>>(&self, path: &str) -> Result<T, TransferError> {
        let [number] = self.array(path)?;
        Ok(number)
    }

    fn flag(&self, path: &str) -> Result<bool, TransferError> {
        Ok(self.number(path)? != 0)
    }

    pub(super) fn array<T: TryFrom<i128>, const N: usize>(&self, path: &str) -> Result<[T; N], TransferError> {
        let mut all = Vec::with_capacity(N);
        for value in self.values(path) {
            let Value::Number(n) = value else { return Err(self.malformed(path, "is no number")) };
            all.push(T::try_from(*n).map_err(|_| self.malformed(path, "is larger than known"))?);
        }
        let found = all.len();
        all.try_into().map_err(|_| self.malformed(path, &format!("has {found} values, not {N}")))
    }

    fn bytes(&self, path: &str) -> impl Iterator<Item = &'a [u8]> {
        self.values(path).filter_map(|v| if let Value::Bytes(b) = v { Some(b.as_slice()) } else { None })
    }
}

pub(super) fn core(stream: &Stream, number: u32, stopped_at: u64) -> Result<Core, TransferError> {
    let cpu = Fields::of(stream, "cpu", number)?;
    let common = Fields::of(stream, "cpu_common", number)?;
    let apic_fields = Fields::of(stream, "apic", number)?;
    if apic_fields.get::<u32>("id")? != number {
        return Err(apic_fields.refused("id", &apic_fields.number("id")?, "the core's APIC has another number"));
    }
    let debug: [u64; 8] = cpu.array("env.dr[]")?;
    let [.., dr7] = debug;
    if dr7 & 0xFF != 0 {
        return Err(cpu.refused("env.dr[]", &format!("{dr7:#x} (DR7)"), "a breakpoint is armed"));
    }
    let segments = segments(&cpu)?;
    let [_, cs, ..] = segments;
    if cs.flags >> 21 & 1 == 0 {
        let value = format!("{:#x} (CS)", cs.flags);
        return Err(cpu.refused("env.segs[].flags", &value, "the core runs 32-bit code (compatibility mode)"));
    }
    let asleep = common.flag("halted")?;
    if number > 0 && !asleep {
        return Err(common.refused("halted", &0, "this core ran on after the stop; it must wait for an interrupt"));
    }
    let mut apic = apic(&apic_fields)?;
    let mut request: u64 = common.get("interrupt_request")?;
    if undo_late_timer(&apic_fields, &mut apic, stopped_at)? {
        request &= !(HARD | POLL);
    }
    // gem5 wakes a halted core when an interrupt comes, not for one that waits already.
    let halted = asleep && apic.irr == [0; 8] && request == 0;
    Ok(Core {
        registers: cpu.array("env.regs[]")?,
        rip: cpu.get("env.eip")?,
        flags: cpu.get("env.eflags")?,
        control: [cpu.get("env.cr[0]")?, cpu.get("env.cr[2]")?, cpu.get("env.cr[3]")?, cpu.get("env.cr[4]")?],
        debug,
        segments,
        ldt: segment(&cpu, "env.ldt")?,
        tr: segment(&cpu, "env.tr")?,
        gdt: table(&cpu, "env.gdt")?,
        idt: table(&cpu, "env.idt")?,
        model: model(&cpu)?,
        x87: x87(&cpu)?,
        xmm: xmm(&cpu)?,
        halted,
        apic,
    })
}

fn segments(cpu: &Fields<'_>) -> Result<[Segment; 6], TransferError> {
    let selectors: [u64; 6] = cpu.array("env.segs[].selector")?;
    let bases: [u64; 6] = cpu.array("env.segs[].base")?;
    let limits: [u64; 6] = cpu.array("env.segs[].limit")?;
    let flags: [u64; 6] = cpu.array("env.segs[].flags")?;
    let mut out = [Segment { selector: 0, base: 0, limit: 0, flags: 0 }; 6];
    let parts = selectors.into_iter().zip(bases).zip(limits.into_iter().zip(flags));
    for (slot, ((selector, base), (limit, flags))) in out.iter_mut().zip(parts) {
        *slot = Segment { selector, base, limit, flags };
    }
    Ok(out)
}

fn segment(cpu: &Fields<'_>, name: &str) -> Result<Segment, TransferError> {
    let get = |part| cpu.get(&format!("{name}.{part}"));
    Ok(Segment { selector: get("selector")?, base: get("base")?, limit: get("limit")?, flags: get("flags")? })
}

fn table(cpu: &Fields<'_>, name: &str) -> Result<Table, TransferError> {
    Ok(Table { base: cpu.get(&format!("{name}.base"))?, limit: cpu.get(&format!("{name}.limit"))? })
}

fn model(cpu: &Fields<'_>) -> Result<Model, TransferError> {
    Ok(Model {
        sysenter_cs: cpu.get("env.sysenter_cs")?,
        sysenter_esp: cpu.get("env.sysenter_esp")?,
        sysenter_eip: cpu.get("env.sysenter_eip")?,
        pat: cpu.get("env.pat")?,
        mtrr_deftype: cpu.get("env.mtrr_deftype")?,
        mtrr_base: cpu.array("env.mtrr_var[].base")?,
        mtrr_mask: cpu.array("env.mtrr_var[].mask")?,
        mtrr_fixed: cpu.array("env.mtrr_fixed[]")?,
        efer: cpu.get("env.efer")?,
        star: cpu.get("env.star")?,
        lstar: cpu.get("env.lstar")?,
        cstar: cpu.get("env.cstar")?,
        sfmask: cpu.get("env.fmask")?,
        kernel_gs_base: cpu.get("env.kernelgsbase")?,
        tsc_aux: cpu.get("env.tsc_aux")?,
        mxcsr: cpu.get("env.mxcsr")?,
    })
}

fn x87(cpu: &Fields<'_>) -> Result<X87, TransferError> {
    const PATH: &str = "env.fpregs[].tmp";
    let mut registers = Vec::with_capacity(8);
    for bytes in cpu.bytes(PATH) {
        let parts = bytes.split_first_chunk::<8>().and_then(|(m, rest)| Some((m, rest.try_into().ok()?)));
        let Some((mantissa, exponent)) = parts else { return Err(cpu.malformed(PATH, "has not 10 bytes")) };
        registers.push((u64::from_be_bytes(*mantissa), u16::from_be_bytes(exponent)));
    }
    Ok(X87 {
        control: cpu.get("env.fpuc")?,
        status: cpu.get("env.fpus_vmstate")?,
        valid: cpu.get("env.fptag_vmstate")?,
        registers: registers.try_into().map_err(|_| cpu.malformed(PATH, "is not there 8 times"))?,
    })
}

fn xmm(cpu: &Fields<'_>) -> Result<[[u64; 2]; 16], TransferError> {
    let low: [u64; 16] = cpu.array("env.xmm_regs[0][]._q_ZMMReg[0]")?;
    let high: [u64; 16] = cpu.array("env.xmm_regs[0][]._q_ZMMReg[1]")?;
    let mut out = [[0; 2]; 16];
    for (slot, (low, high)) in out.iter_mut().zip(low.into_iter().zip(high)) {
        *slot = [low, high];
    }
    Ok(out)
}

/// Timers that are off: -1, also as an unsigned number.
fn deadline(ns: i128) -> Option<i128> {
    (ns != -1 && ns != i128::from(u64::MAX)).then_some(ns)
}

fn apic(f: &Fields<'_>) -> Result<Apic, TransferError> {
    const MODE: u32 = 3 << 17;
    let lvt: [u32; 6] = f.array("lvt[]")?;
    let [timer, ..] = lvt;
    if timer & MODE != 0 {
        // What became late is known of one-shot timers only.
        return Err(f.refused("lvt[]", &format!("{timer:#x} (timer)"), "the timer is not one-shot"));
    }
    Ok(Apic {
        base: f.get("apicbase")?,
        tpr: f.get("tpr")?,
        spurious: f.get("spurious_vec")?,
        log_dest: f.get("log_dest")?,
        dest_mode: f.get("dest_mode")?,
        isr: f.array("isr[]")?,
        tmr: f.array("tmr[]")?,
        irr: f.array("irr[]")?,
        lvt,
        esr: f.get("esr")?,
        icr: f.array("icr[]")?,
        divide: f.get("divide_conf")?,
        initial_count: f.get("initial_count")?,
        expiry: deadline(f.number("timer_expiry")?),
    })
}

/// QEMU's clock may go on to the next timer after the guest's stop. A timer that fired then has not fired yet.
fn undo_late_timer(f: &Fields<'_>, apic: &mut Apic, stopped_at: u64) -> Result<bool, TransferError> {
    let shift: u32 = f.get("count_shift")?;
    if shift > 7 {
        return Err(f.refused("count_shift", &shift, "the timer divides by at most 128"));
    }
    // QEMU counts one more than it was told to.
    let expiry = f.number("initial_count_load_time")? + ((i128::from(apic.initial_count) + 1) << shift);
    let [timer, ..] = apic.lvt;
    let vector = timer & 0xFF;
    let bit = 1 << (vector % 32);
    let Some(word) = usize::try_from(vector / 32).ok().and_then(|at| apic.irr.get_mut(at)) else { return Ok(false) };
    if apic.expiry.is_some() || apic.initial_count == 0 || expiry <= i128::from(stopped_at) || *word & bit == 0 {
        return Ok(false);
    }
    *word &= !bit;
    apic.expiry = Some(expiry);
    Ok(true)
}

pub(super) fn io_apic(f: &Fields<'_>) -> Result<IoApic, TransferError> {
    Ok(IoApic { selected: f.get("ioregsel")?, redirection: f.array("ioredtbl[]")? })
}

pub(super) fn pic(f: &Fields<'_>) -> Result<Pic, TransferError> {
    Ok(Pic {
        irr: f.get::<u64>("irr")? & !f.get::<u64>("last_irr")? & 0xFF,
        isr: f.get("isr")?,
        imr: f.get("imr")?,
        base: f.get("irq_base")?,
        reads_isr: f.flag("read_reg_select")?,
        single: f.flag("single_mode")?,
        auto_eoi: f.flag("auto_eoi")?,
        icw4: f.flag("init4")?,
    })
}

pub(super) fn uart(f: &Fields<'_>) -> Result<Uart, TransferError> {
    Ok(Uart { ier: f.get("state.ier")?, lcr: f.get("state.lcr")?, mcr: f.get("state.mcr")? })
}

pub(super) fn rtc(f: &Fields<'_>) -> Result<Rtc, TransferError> {
    const PATH: &str = "cmos_data";
    let data = f.bytes(PATH).next().unwrap_or_default();
    let (Some(a), Some(b)) = (data.get(10).copied(), data.get(11).copied()) else {
        return Err(f.malformed(PATH, "has no registers A and B"));
    };
    if a & 0x7F != 0x26 {
        return Err(f.refused(PATH, &format!("{a:#x} (register A)"), "gem5 knows the default rate only"));
    }
    if b & 0x70 != 0 {
        return Err(f.refused(PATH, &format!("{b:#x} (register B)"), "the clock's interrupts are on"));
    }
    Ok(Rtc { a: u64::from(a & 0x7F), b: u64::from(b) })
}

pub(super) fn pit_at_rest(f: &Fields<'_>) -> Result<(), TransferError> {
    const PATH: &str = "channels[0].next_transition_time";
    let [first, ..]: [i128; 3] = f.array("channels[].next_transition_time")?;
    let again = f.number(PATH)?;
    if !f.flag("channels[0].irq_disabled")? && (deadline(first).is_some() || deadline(again).is_some()) {
        return Err(f.refused(PATH, &again, "the first channel of the PIT runs, and would raise an interrupt"));
    }
    Ok(())
}
