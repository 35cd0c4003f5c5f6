"""Names of gem5's x86 registers, in the order of a checkpoint (arch/x86/regs of v24.0)."""


def _misc():
    row = lambda prefix, count, suffix="": [f"{prefix}{number}{suffix}" for number in range(count)]
    out = row("cr", 16) + row("dr", 8)
    out += ["rflags", "m5reg", "tsc", "mtrrcap", "sysenter_cs", "sysenter_esp", "sysenter_eip"]
    out += ["mcg_cap", "mcg_status", "mcg_ctl", "debugctl", "lb_from", "lb_to", "le_from", "le_to"]
    out += row("mtrr_base", 8) + row("mtrr_mask", 8) + row("mtrr_fix", 11) + ["pat", "mtrr_deftype"]
    out += [name for suffix in ("_ctl", "_status", "_addr", "_misc") for name in row("mc", 8, suffix)]
    out += ["efer", "star", "lstar", "cstar", "sfmask", "kernel_gs_base", "tsc_aux"]
    out += row("perf_sel", 4) + row("perf_ctr", 4)
    out += ["syscfg", "iorr_base0", "iorr_base1", "iorr_mask0", "iorr_mask1", "top_mem", "top_mem2"]
    out += ["vm_cr", "ignne", "smm_ctl", "vm_hsave_pa"]
    segments = "es cs ss ds fs gs hs tsl tsg ls ms tr idtr".split()
    out += [f"{segment}_{kind}" for kind in ("sel", "base", "effbase", "limit", "attr") for segment in segments]
    out += ["x87_top", "mxcsr", "fcw", "fsw", "ftw", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"]
    return out + ["apic_base", "pci_config_address", "xcr0"]


MISC = _misc()
INTEGER = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
FLOAT = [f"st{n}" for n in range(8)] + [f"xmm{n // 2}.{'low' if n % 2 == 0 else 'high'}" for n in range(32)]
CONDITION = ["zaps", "cfof", "df"]


def wide(words):
    """Registers of 8 bytes, little end first, of a list of single bytes."""
    data = bytes(map(int, words))
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


def narrow(registers):
    """The other way round."""
    return [byte for register in registers for byte in register.to_bytes(8, "little")]
