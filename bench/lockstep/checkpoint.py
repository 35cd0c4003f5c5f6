"""gem5's checkpoint: sections of keys, registers by name, and the memory's file."""

import gzip
import pathlib
import shutil

import names

MEMORY = "system.physmem.store0.pmem"
# What no comparison of two checkpoints can want: place in the file tree, time, and what only gem5's own microcode uses.
IGNORED = {
    ("*", "curTick"): "QEMU's clock stands still while it steps",
    ("*.isa", "tsc"): "likewise",
    ("*.xc.0", "r15"): "QEMU's holds the time by which it is converted",
    ("*.xc.0", "_npc"): "the next instruction's address is made from RIP",
    ("*.xc.0", "_nupc"): "likewise",
    ("*.xc.0", "_size"): "the last instruction's length",
    ("*", "instCnt"): "a count",
    ("*.isa", "m5reg"): "gem5 makes it from other registers when it reads them",
    ("*", "apicTimerEventTick"): "a timer that was armed on the way counts from QEMU's clock",
    ("*.cmos", "rtcClockTickOffset"): "distances from the time",
    ("*.cmos", "rtcTimerInterruptTickOffset"): "likewise",
}


class Checkpoint:
    def __init__(self, text, folder):
        self.folder = pathlib.Path(folder)
        self.sections = {}
        section = None
        for line in text.splitlines():
            if line.startswith("["):
                section = self.sections.setdefault(line.strip()[1:-1], {})
            elif "=" in line and section is not None:
                key, value = line.split("=", 1)
                section[key] = value

    @classmethod
    def read(cls, folder):
        return cls((pathlib.Path(folder) / "m5.cpt").read_text(), folder)

    def write(self, folder):
        text = "".join(f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items()) + "\n" for name, keys in self.sections.items())
        (pathlib.Path(folder) / "m5.cpt").write_text(text)

    def numbers(self, section, key):
        return [int(word) for word in self.sections[section][key].split()]

    def put(self, section, key, values):
        self.sections[section][key] = " ".join(map(str, values))

    def misc(self, core, name):
        return self.numbers(f"{core}.isa", "regVal")[names.MISC.index(name)]

    def memory(self):
        """The memory as a plain file."""
        path = self.folder / MEMORY
        with open(path, "rb") as file:
            if file.read(2) != b"\x1f\x8b":
                return path
        plain = path.with_suffix(".plain")
        if not plain.exists():
            with gzip.open(path) as source, open(plain, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        return plain

    def flat(self):
        """Every value by (section, name): registers by their names."""
        out = {}
        for section, keys in self.sections.items():
            for key, value in keys.items():
                words = value.split()
                if key == "regVal":
                    parts = zip(names.MISC, words)
                elif key == "regs.integer":
                    parts = zip(names.INTEGER, names.wide(words))
                elif key == "regs.floating_point":
                    parts = zip(names.FLOAT, names.wide(words))
                elif key == "regs.condition_code":
                    parts = zip(names.CONDITION, names.wide(words))
                elif key == "regs" and len(words) == 70:
                    parts = ((f"apic.{number}", word) for number, word in enumerate(words))
                else:
                    parts = [(key, value)]
                out.update({(section, name): clean(name, part) for name, part in parts})
        return out

    def differences(self, other, of_gem5=False):
        """What two checkpoints have different, line by line. One that QEMU's state became lacks some things (IGNORED); two `of_gem5` are
        compared whole, but for the TLBs, which begin empty.
        """
        a, b = self.flat(), other.flat()
        # What a segment register has beside a null selector is not looked at.
        for section, name in [place for place in a if place[1][2:] == "_sel" and a[place] == 0]:
            for kind in ("attr", "limit"):
                b[section, f"{name[:2]}_{kind}"] = a[section, f"{name[:2]}_{kind}"]
        out = []
        for place in sorted(a.keys() | b.keys()):
            if a.get(place) != b.get(place) and ".mmu." not in place[0] and (of_gem5 or not ignored(*place)):
                out.append(f"{place[0]}:{place[1]}: {a.get(place)} and {b.get(place)}")
        return out


def clean(name, value):
    """A value without what gem5 keeps in its own way, and nothing reads: its SYSCALL leaves more than 16 bits in a selector and does not mark a
    segment as accessed, its SYSRET leaves privilege 0 in SS, and bit 1 of the flags, which is always set, comes and goes.
    """
    if name.endswith("_sel"):
        return int(value) & 0xFFFF
    if name == "ss_attr":
        return int(value) & ~3 | 0x100
    if name == "cs_attr":
        return int(value) | 0x100
    return int(value) & ~2 if name == "rflags" else value


def ignored(section, name):
    return any(key == name and (pattern == "*" or section.endswith(pattern[1:])) for pattern, key in IGNORED)
