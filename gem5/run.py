"""Runs a Linux guest on gem5's X86 platform for futon; `futon test --on gem5` calls it.

    gem5 -d OUT --listener-mode=off run.py --kernel vmlinux --initrd initramfs --readfile payload [...]

Made of raw m5.objects: works on builds with and without Ruby, gem5 v23 to v25. Standard output carries one line
`futon-event: {json}` for each exit of the simulator (docs/gem5.md lists them). The process's status is 0 when the guest
ended the simulation, its own code when it said that it failed, 123 and 124 when a limit struck, 3 for an exit that nobody knows.
"""

import os
import sys

# The run directory is the only place this process may write to.
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import m5
from m5.objects import Root

from futon_gem5 import drive, options, system


def main():
    given = options.parse(sys.argv[1:])
    machine, parts = system.build(given)
    root = Root(full_system=True, system=machine)
    if parts.host_parallel:
        # One event queue a KVM core: a quantum of one simulated millisecond.
        root.sim_quantum = 10**9
    sys.exit(drive.run(given, machine, parts))


if __name__ in ("__m5_main__", "__main__"):
    main()
