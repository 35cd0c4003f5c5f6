"""gem5's side of bench/lockstep: a checkpoint goes on under a debugger, or for a number of instructions, to a checkpoint.

    gem5 -d OUT [--listener-mode=on] simulate.py CONFIG [--debugger SOCKET | --insts N --to FOLDER] -- [futon's own arguments]

CONFIG is the folder of run.py, as futon writes it for each run. N counts the instructions of core 0.
"""

import argparse
import os
import sys

import m5
from m5.objects import Root


def main():
    words = sys.argv[1:]
    at = words.index("--")
    p = argparse.ArgumentParser()
    p.add_argument("config")
    p.add_argument("--debugger")
    p.add_argument("--insts", type=int)
    p.add_argument("--to")
    own = p.parse_args(words[:at])
    sys.dont_write_bytecode = True
    sys.path.insert(0, own.config)
    from futon_gem5 import options, system

    given = options.parse(words[at + 1 :])
    machine, _ = system.build(given)
    # Not a port: nothing listens to the network.
    machine.pc.com_1.device.port = os.path.join(m5.options.outdir, "console")
    if own.debugger:
        machine.workload.remote_gdb_port = own.debugger
        machine.workload.wait_for_remote_gdb = True
    root = Root(full_system=True, system=machine)
    m5.instantiate(given.restore)
    if own.insts is not None:
        machine.cpu[0].scheduleInstStop(0, own.insts, "so many instructions")
    while True:
        done = m5.simulate()
        cause = done.getCause()
        print(f"lockstep: {cause} at tick {m5.curTick()}, {machine.cpu[0].totalInsts()} instructions", flush=True)
        if cause == "so many instructions":
            m5.checkpoint(own.to)
            return
        if cause not in ("workbegin", "workend", "m5_fail instruction encountered"):
            sys.exit(1)


main()
