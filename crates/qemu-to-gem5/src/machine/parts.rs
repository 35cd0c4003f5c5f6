//! The parts of a machine: cores and devices.

#[derive(Clone, Debug)]
pub(crate) struct Core {
    pub(crate) registers: [u64; 16],
    pub(crate) rip: u64,
    pub(crate) flags: u64,
    /// CR0, CR2, CR3, CR4.
    pub(crate) control: [u64; 4],
    pub(crate) debug: [u64; 8],
    /// ES, CS, SS, DS, FS, GS.
    pub(crate) segments: [Segment; 6],
    pub(crate) ldt: Segment,
    pub(crate) tr: Segment,
    pub(crate) gdt: Table,
    pub(crate) idt: Table,
    pub(crate) model: Model,
    pub(crate) x87: X87,
    /// Low and high half of each XMM register.
    pub(crate) xmm: [[u64; 2]; 16],
    /// The core waits, and nothing is there to wake it.
    pub(crate) halted: bool,
    pub(crate) apic: Apic,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) selector: u64,
    pub(crate) base: u64,
    pub(crate) limit: u64,
    /// The descriptor's upper word.
    pub(crate) flags: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) base: u64,
    pub(crate) limit: u64,
}

/// Model-specific registers, by the names that the AMD64 manual gives them.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) sysenter_cs: u64,
    pub(crate) sysenter_esp: u64,
    pub(crate) sysenter_eip: u64,
    pub(crate) pat: u64,
    pub(crate) mtrr_deftype: u64,
    pub(crate) mtrr_base: [u64; 8],
    pub(crate) mtrr_mask: [u64; 8],
    pub(crate) mtrr_fixed: [u64; 11],
    pub(crate) efer: u64,
    pub(crate) star: u64,
    pub(crate) lstar: u64,
    pub(crate) cstar: u64,
    pub(crate) sfmask: u64,
    pub(crate) kernel_gs_base: u64,
    pub(crate) tsc_aux: u64,
    pub(crate) mxcsr: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct X87 {
    pub(crate) control: u64,
    /// With the stack's top in bits 11 to 13.
    pub(crate) status: u64,
    /// A bit for each physical register: it holds a value.
    pub(crate) valid: u64,
    /// Physical registers: mantissa, then sign and exponent.
    pub(crate) registers: [(u64, u16); 8],
}

#[derive(Clone, Debug)]
pub(crate) struct Apic {
    pub(crate) base: u64,
    pub(crate) tpr: u32,
    pub(crate) spurious: u32,
    pub(crate) log_dest: u32,
    pub(crate) dest_mode: u32,
    pub(crate) isr: [u32; 8],
    pub(crate) tmr: [u32; 8],
    pub(crate) irr: [u32; 8],
    /// Timer, thermal sensor, performance counters, LINT0, LINT1, error.
    pub(crate) lvt: [u32; 6],
    pub(crate) esr: u32,
    pub(crate) icr: [u32; 2],
    pub(crate) divide: u32,
    pub(crate) initial_count: u32,
    /// ns; None: the timer is off.
    pub(crate) expiry: Option<i128>,
}

#[derive(Clone, Debug)]
pub(crate) struct IoApic {
    pub(crate) selected: u64,
    pub(crate) redirection: [u64; 24],
}

#[derive(Clone, Debug)]
pub(crate) struct Pic {
    pub(crate) irr: u64,
    pub(crate) isr: u64,
    pub(crate) imr: u64,
    pub(crate) base: u64,
    pub(crate) reads_isr: bool,
    pub(crate) single: bool,
    pub(crate) auto_eoi: bool,
    pub(crate) icw4: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Uart {
    pub(crate) ier: u64,
    pub(crate) lcr: u64,
    pub(crate) mcr: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Rtc {
    /// Register A without update-in-progress.
    pub(crate) a: u64,
    pub(crate) b: u64,
}
