//! gem5's miscellaneous registers of x86, in the order of their numbers (`src/arch/x86/regs/misc.hh`).

/// Changes whenever a rule of this crate changes: part of keys of checkpoints that it made.
pub const RULES_VERSION: &str = "1";

/// Segments in gem5's order.
const SEGMENTS: [&str; 13] = ["es", "cs", "ss", "ds", "fs", "gs", "hs", "tsl", "tsg", "ls", "ms", "tr", "idtr"];

/// Their number in v23.0 and v23.1: all but the last.
pub(crate) const WITHOUT_XCR0: usize = 204;
/// Their number in v24.0.
pub(crate) const WITH_XCR0: usize = 205;

/// The names of v24.0.
pub(crate) fn names() -> Vec<String> {
    let mut out = Vec::with_capacity(WITH_XCR0);
    let single = |all: &[&str], out: &mut Vec<String>| out.extend(all.iter().map(ToString::to_string));
    let row = |out: &mut Vec<String>, prefix: &str, count: u32, suffix: &str| {
        out.extend((0..count).map(|i| format!("{prefix}{i}{suffix}")));
    };
    row(&mut out, "cr", 16, "");
    row(&mut out, "dr", 8, "");
    single(&["rflags", "m5reg", "tsc", "mtrrcap", "sysenter_cs", "sysenter_esp", "sysenter_eip"], &mut out);
    single(&["mcg_cap", "mcg_status", "mcg_ctl", "debugctl", "lb_from", "lb_to", "le_from", "le_to"], &mut out);
    row(&mut out, "mtrr_base", 8, "");
    row(&mut out, "mtrr_mask", 8, "");
    row(&mut out, "mtrr_fix", 11, "");
    single(&["pat", "mtrr_deftype"], &mut out);
    for suffix in ["_ctl", "_status", "_addr", "_misc"] {
        row(&mut out, "mc", 8, suffix);
    }
    single(&["efer", "star", "lstar", "cstar", "sfmask", "kernel_gs_base", "tsc_aux"], &mut out);
    row(&mut out, "perf_sel", 4, "");
    row(&mut out, "perf_ctr", 4, "");
    single(&["syscfg", "iorr_base0", "iorr_base1", "iorr_mask0", "iorr_mask1", "top_mem", "top_mem2"], &mut out);
    single(&["vm_cr", "ignne", "smm_ctl", "vm_hsave_pa"], &mut out);
    for kind in ["sel", "base", "effbase", "limit", "attr"] {
        out.extend(SEGMENTS.iter().map(|segment| format!("{segment}_{kind}")));
    }
    single(&["x87_top", "mxcsr", "fcw", "fsw", "ftw", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"], &mut out);
    single(&["apic_base", "pci_config_address", "xcr0"], &mut out);
    out
}
