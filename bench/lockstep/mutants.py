"""Rules of the conversion, each broken on purpose."""

import concurrent.futures
import filecmp
import shutil
import sys

import names
from checkpoint import MEMORY, Checkpoint

CORE = "system.cpu"
# Miscellaneous registers that a rule fills, and which bits of each are turned over.
MISC = {
    "cr0": 1 << 16, "cr2": 1 << 12, "cr3": 1 << 12, "cr4": 1 << 7, "cr8": 1, "dr6": 1, "rflags": 1 << 9, "tsc": 1 << 20, "sysenter_cs": 1 << 3,
    "sysenter_esp": 1 << 12, "sysenter_eip": 1 << 12, "pat": 0x7, "mtrr_deftype": 1 << 11, "mtrr_base0": 1 << 12, "mtrr_mask0": 1 << 12,
    "mtrr_fix0": 0x6, "efer": 1 << 11, "star": 1 << 35, "lstar": 1 << 4, "cstar": 1 << 4, "sfmask": 1 << 9, "kernel_gs_base": 1 << 12,
    "tsc_aux": 1, "mxcsr": 1 << 13, "apic_base": 1 << 11, "x87_top": 1, "fcw": 1, "fsw": 1, "ftag": 3, "ftw": 3, "xcr0": 2,
}
SEGMENTS = "es cs ss ds fs gs tsl tr".split()
KINDS = {"sel": 1 << 3, "base": 1 << 12, "effbase": 1 << 12, "limit": 1 << 12}
# Bits of a segment's attributes (arch/x86/regs/misc.hh).
ATTRIBUTES = {"dpl": 3, "unusable": 1 << 2, "default": 1 << 3, "long": 1 << 4, "granularity": 1 << 6, "present": 1 << 7, "type": 1 << 9,
              "writable": 1 << 12, "readable": 1 << 13, "expand down": 1 << 14, "system": 1 << 15}
# The local APIC's registers by their places (convert/apic.rs), and what is turned over.
APIC = {"id": (0, 1 << 24), "tpr": (2, 0xF0), "ldr": (6, 1 << 24), "dfr": (7, 1 << 28), "svr": (8, 1 << 8), "isr": (9, 1 << 4), "tmr": (25, 1 << 4),
        "irr": (42, 1 << 16), "esr": (57, 1), "icr low": (58, 1 << 12), "icr high": (59, 1 << 24), "lvt timer": (60, 1 << 16),
        "initial count": (66, 1 << 20), "divide": (68, 1), "enabled": (69, 1 << 8)}


def turned(section, key, at, bits):
    """A change: one number of a list."""
    def change(checkpoint):
        values = checkpoint.numbers(section, key)
        values[at] ^= bits
        checkpoint.put(section, key, values)
    return change


def wide(section, key, at, bits):
    """A change: one register of a list of single bytes."""
    def change(checkpoint):
        registers = names.wide(checkpoint.sections[section][key].split())
        registers[at] ^= bits
        checkpoint.put(section, key, names.narrow(registers))
    return change


def put(section, key, value):
    def change(checkpoint):
        checkpoint.sections[section][key] = str(value)
    return change


def all_of(checkpoint):
    """Every mutant: its name, and the change. gem5 writes the local APIC in two places, and both are changed."""
    isa, thread = f"{CORE}.isa", f"{CORE}.xc.0"
    for name, bits in MISC.items():
        yield name, turned(isa, "regVal", names.MISC.index(name), bits)
    for segment in SEGMENTS:
        for kind, bits in KINDS.items():
            yield f"{segment} {kind}", turned(isa, "regVal", names.MISC.index(f"{segment}_{kind}"), bits)
    for segment in ("cs", "ss", "fs", "tr"):
        for kind, bits in ATTRIBUTES.items():
            yield f"{segment} {kind}", turned(isa, "regVal", names.MISC.index(f"{segment}_attr"), bits)
    for table in ("tsg", "idtr"):
        for kind in ("base", "effbase", "limit"):
            yield f"{table} {kind}", turned(isa, "regVal", names.MISC.index(f"{table}_{kind}"), 1 << 12 if kind != "limit" else 0xFFF)
    for at, name in enumerate(names.INTEGER):
        yield name, wide(thread, "regs.integer", at, 1 << 3)
    for at, name in enumerate(names.FLOAT):
        yield name, wide(thread, "regs.floating_point", at, 1 << 52)
    for at, (name, bits) in enumerate((("zaps", 1 << 6), ("cfof", 1), ("df", 1 << 10))):
        yield name, wide(thread, "regs.condition_code", at, bits)
    yield "pc", turned(thread, "_pc", 0, 1)
    yield "npc", put(thread, "_npc", 0)
    yield "status", put(thread, "_status", 1)
    apic = next(section for section in checkpoint.sections if section.startswith(f"{CORE}.interrupts") and "regs" in checkpoint.sections[section])
    for name, (at, bits) in APIC.items():
        def change(checkpoint, at=at, bits=bits):
            for section in (thread, apic):
                turned(section, "regs", at, bits)(checkpoint)
        yield f"apic {name}", change
    for key, value in (("IRRV", 64), ("ISRV", 236), ("apicTimerEventScheduled", "false"), ("apicTimerEventTick", 0)):
        def change(checkpoint, key=key, value=value):
            for section in (thread, apic):
                put(section, key, value)(checkpoint)
        yield f"apic {key}", change
    for only in (thread, apic):
        yield f"apic timer in {only.rsplit('.', 1)[1]} only", put(only, "apicTimerEventScheduled", "false")
    south = "system.pc.south_bridge"
    for section in [s for s in checkpoint.sections if s.startswith((f"{south}.io_apic", f"{south}.pic", "system.pc.com_1", f"{south}.cmos"))]:
        for key, value in checkpoint.sections[section].items():
            words = value.split()
            if ".power_state" not in section and words and all(word.lstrip("-").isdigit() for word in words):
                yield f"{section.removeprefix('system.pc.')} {key}", turned(section, key, len(words) - 1, 1)
    yield "time", turned("Globals" if "Globals" in checkpoint.sections else "root.globals", "curTick", 0, 1 << 30)


def run(point, insts, only):
    """Runs every mutant, two at a time; how many were not caught."""
    right = point.after(insts, point.checkpoint, point.work / "right")
    source = Checkpoint.read(point.checkpoint)
    wanted = [mutant for mutant in all_of(source) if not only or mutant[0] in only.split(",")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda pair: look(point, insts, right, *pair), enumerate(wanted)))
    missed = [name for name, how in found if how is None]
    for name, how in found:
        print(f"{name}: {how or 'NOT CAUGHT'}")
    print(f"{len(found)} mutants, {len(found) - len(missed)} caught" + (f"; not: {', '.join(missed)}" if missed else ""))
    sys.stdout.flush()
    return len(missed)


def look(point, insts, right, number, mutant):
    """The name of a mutant and how it was caught."""
    name, change = mutant
    folder, to = point.work / f"mutant-{number}", point.work / f"after-{number}"
    folder.mkdir()
    checkpoint = Checkpoint.read(point.checkpoint)
    change(checkpoint)
    checkpoint.write(folder)
    (folder / MEMORY).symlink_to(point.checkpoint / MEMORY)
    try:
        after = point.after(insts, folder, to)
        expected = Checkpoint.read(right.folder)
        change(expected)
        lines = after.differences(expected, of_gem5=True)
        if not filecmp.cmp(to / MEMORY, right.folder / MEMORY, shallow=False):
            lines.append("memory")
        return name, f"{len(lines)} differences, {lines[0]}" if lines else None
    except point.Failed as why:
        return name, str(why)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(to, ignore_errors=True)
