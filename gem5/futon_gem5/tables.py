"""Parameters of the systems, each with its source. Plain Python: `python3 gem5/futon_gem5/tables.py` prints them.

vSwarm-u's documents and code differ (its page says 32 KiB of first-level cache for the simple system, its code has 16 kB):
the code is followed, at commit f86e74c. Where futon departs from both, the source says `futon` and why.
"""

SIMPLE = "vSwarm-u gem5utils/systems/simple"
SKYLAKE = "vSwarm-u gem5utils/systems/skylake"


def _cache(name, source, size, assoc, tag, data, response, mshrs, targets, buffers):
    return [
        (f"{name}.size", size, source),
        (f"{name}.assoc", assoc, source),
        (f"{name}.tag_latency", tag, source),
        (f"{name}.data_latency", data, source),
        (f"{name}.response_latency", response, source),
        (f"{name}.mshrs", mshrs, source),
        (f"{name}.tgts_per_mshr", targets, source),
        (f"{name}.write_buffers", buffers, source),
    ]


_COMMON = [
    ("clock", "1GHz", "futon: fewer instructions per simulated second while the guest waits; vSwarm-u has 2.5GHz"),
    ("membus.width", 64, SIMPLE + "/system.py"),
    ("itlb.size", 64, "gem5's own; a checkpoint holds the entries"),
    ("dtlb.size", 64, "gem5's own; a checkpoint holds the entries"),
]

SYSTEMS = {
    "simple": _COMMON
    + _cache("l1i", SIMPLE + "/caches.py", "16KiB", 8, 1, 1, 2, 4, 16, 32)
    + _cache("l1d", SIMPLE + "/caches.py", "16KiB", 8, 1, 1, 2, 4, 16, 32)
    + _cache("llc", SIMPLE + "/caches.py", "128KiB", 8, 12, 12, 12, 20, 12, 56)
    + [
        ("llcbus.width", 64, SIMPLE + "/system.py"),
        ("memory", "SimpleMemory", SIMPLE + "/system.py"),
        ("core", "default", SIMPLE + "/system.py: the caller's core class as it is"),
    ],
    "skylake": _COMMON
    + _cache("l1i", SKYLAKE + "/caches.py", "32KiB", 8, 1, 1, 1, 10, 16, 32)
    + _cache("l1d", SKYLAKE + "/caches.py", "32KiB", 8, 1, 1, 1, 10, 16, 12)
    + _cache("mmucache", SKYLAKE + "/caches.py", "8KiB", 4, 1, 1, 1, 32, 1, 32)
    + _cache("l2", SKYLAKE + "/caches.py", "1MiB", 8, 12, 12, 6, 32, 1, 56)
    + _cache("llc", SKYLAKE + "/caches.py (L3Cache)", "8MiB", 16, 36, 36, 1, 32, 2, 64)
    + [
        ("l1.prefetch_degree", 1, SKYLAKE + "/caches.py (tagged next-line, on instructions, too; 0 is none)"),
        ("l1.prefetch_queue", 2, SKYLAKE + "/caches.py"),
        ("l1d.coalesce_limit", 2, SKYLAKE + "/caches.py"),
        ("l1d.no_allocate_limit", 8, SKYLAKE + "/caches.py"),
        ("l1d.delay_threshold", 8, SKYLAKE + "/caches.py"),
        ("llcbus.width", 64, SKYLAKE + "/system.py"),
        ("memory", "DDR4_2400_16x4", SKYLAKE + "/system.py"),
        ("core", "skylake", SKYLAKE + "/core.py (SklTunedCPU)"),
    ],
}


def parameters(system, overrides):
    """The table's values with `NAME=VALUE` texts over them; ValueError names what is wrong."""
    values = {name: value for name, value, _ in SYSTEMS[system]}
    for text in overrides:
        name, sign, value = text.partition("=")
        if not sign or not value:
            raise ValueError(f"--param {text}: write it as NAME=VALUE")
        if name not in values:
            raise ValueError(f"--param {text}: the system {system} has {', '.join(sorted(values))}")
        if isinstance(values[name], int):
            if not value.isdigit():
                raise ValueError(f"--param {text}: {name} takes a whole number")
            value = int(value)
        values[name] = value
    return values


def _markdown():
    for system, table in SYSTEMS.items():
        print(f"### {system}\n\n| parameter | value | source |\n|---|---|---|")
        for name, value, source in table:
            print(f"| `{name}` | {value} | {source} |")
        print()


if __name__ == "__main__":
    _markdown()
