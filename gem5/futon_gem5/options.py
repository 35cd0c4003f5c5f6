"""The command line that futon gives to a configuration script. docs/gem5.md has it as a contract."""

import argparse

from . import flush, tables

CORES = ("atomic", "kvm", "timing", "o3")


def parse(words):
    p = argparse.ArgumentParser(description="A Linux guest on gem5's X86 platform")
    guest = p.add_argument_group("guest")
    guest.add_argument("--kernel", required=True, help="64-bit vmlinux (ELF)")
    guest.add_argument("--initrd", help="initramfs, handed over by boot parameters")
    guest.add_argument("--disk", help="raw image; writes go to memory and are thrown away")
    guest.add_argument("--cmdline", default="", help="the whole kernel command line")
    guest.add_argument("--readfile", default="", help="what the guest's `m5 readfile` gives")
    guest.add_argument("--rtc", default="2026/01/01 00:00:00", help="the clock at power-on, UTC")

    machine = p.add_argument_group("machine")
    machine.add_argument("--system", choices=sorted(tables.SYSTEMS), default="simple")
    machine.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="in place of the table's")
    machine.add_argument("--cpu", choices=CORES, default="atomic")
    machine.add_argument("--cpus", type=int, default=2)
    machine.add_argument("--mem-mib", type=int, default=1024, help="at most 3072")
    machine.add_argument(
        "--apic-divider", type=int, default=16, help="cores' clock over that of the local APICs' timers"
    )
    machine.add_argument("--seed", type=int, default=0, help="of gem5's own random numbers")

    run = p.add_argument_group("run")
    run.add_argument("--restore", help="folder of a checkpoint")
    run.add_argument("--checkpoint", help="write the guest's first `m5 checkpoint` there and end")
    run.add_argument("--work-items", type=int, default=0, help="ended work items after which the atomic core takes over")
    run.add_argument("--discarded", type=int, default=0, help="of them the first ones, which only warm the core up")
    run.add_argument(
        "--flush", default="", metavar="LIST", help="what is emptied before each other one: l1i,l1d,..., all or none"
    )
    run.add_argument("--drain-at-us", type=float, default=0, help="drain the pipelines once after so many simulated µs")
    run.add_argument("--max-ms", type=float, default=0, help="limit, simulated milliseconds")
    run.add_argument("--slice-ms", type=float, default=2.0, help="simulated milliseconds between looks at the clock")
    given = p.parse_args(words)
    try:
        given.params = tables.parameters(given.system, given.param)
        given.flush = flush.parse(given.flush, given.system, given.cpu)
        given.fresh_cores = flush.fresh_cores(given.flush, given.work_items, given.discarded)
    except ValueError as error:
        p.error(str(error))
    if not 64 <= given.mem_mib <= 3072:
        p.error("--mem-mib must lie between 64 and 3072")
    if not 1 <= given.cpus <= 8:
        p.error("--cpus must lie between 1 and 8")
    if len(given.cmdline) > 511:
        p.error(f"the kernel command line has {len(given.cmdline)} bytes, gem5 takes 511")
    return given
