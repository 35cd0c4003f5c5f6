"""Runs the simulation from exit to exit, tells each by an event line, and ends it with a status that says why."""

import json
import os
import sys
import time

import _m5.core
import m5

from . import checkpoints, flush

# Points of the workflow that a guest reports with `m5 fail`; docs/gem5.md has the table. They do not end the run.
POINTS = (1, 2, 3, 4, 6, 10, 11, 20, 31, 32)
THE_END = -1

STATUS_UNKNOWN = 3
STATUS_CHECKPOINT = 4
STATUS_LIMIT = 124
STATUS_INTERRUPTED = 130

# Ticks are picoseconds.
MILLISECOND = 10**9
MICROSECOND = 10**6

# Least host time between two progress lines.
PROGRESS_SECONDS = 2.0


class Events:
    """`futon-event: {json}` lines on standard output."""

    def __init__(self, cpus):
        self.cpus = cpus
        self.begin = time.monotonic()
        self.last = self.begin

    def write(self, event, **more):
        self.last = time.monotonic()
        record = {
            "event": event,
            "tick": m5.curTick(),
            "host_s": round(self.last - self.begin, 3),
            "insts": sum(cpu.totalInsts() for cpu in self.cpus),
        }
        record.update(more)
        print("futon-event: " + json.dumps(record, sort_keys=True), flush=True)

    def progress(self):
        if time.monotonic() - self.last >= PROGRESS_SECONDS:
            self.write("progress")


def run(given, system, parts):
    """Runs to the end; the process's status."""
    # Not in m5.core, and not in every version.
    if hasattr(_m5.core, "seedRandom"):
        _m5.core.seedRandom(given.seed)
    m5.instantiate(given.restore)
    events = Events(system.cpu)
    events.write(
        "start",
        gem5=_version(),
        core=given.cpu,
        cpus=given.cpus,
        system=given.system,
        params=given.params,
        measured=parts.measured,
        llc=parts.llc,
        stand_ins=[core.path() for core in parts.fresh],
        restored=bool(given.restore),
        seed=given.seed,
    )
    status, why = Driver(given, system, parts, events).run()
    events.write("end", status=status, why=why)
    print(f"Exiting @ tick {m5.curTick()} because {why}", flush=True)
    # gem5 takes whole numbers only.
    return int(status)


def _version():
    return str(getattr(_m5.core, "gem5Version", "unknown"))


class Driver:
    def __init__(self, given, system, parts, events):
        self.given = given
        self.system = system
        self.parts = parts
        self.events = events
        self.core = given.cpu
        self.dumps = 0
        self.items = 0
        # The cores that run now.
        self.running = list(system.cpu)
        # When the pipelines are to be drained once: what comes after happens some cycles later.
        self.drain_at = m5.curTick() + int(given.drain_at_us * MICROSECOND) if given.drain_at_us else None
        self.flusher = None if given.flush is None else flush.Flusher(given, system, parts.fresh)

    def run(self):
        begin = m5.curTick()
        limit = int(self.given.max_ms * MILLISECOND)
        piece = max(1, int(self.given.slice_ms * MILLISECOND))
        while True:
            left = begin + limit - m5.curTick() if limit else piece
            if left <= 0:
                self.events.write("limit", limit="simulated", ms=self.given.max_ms)
                return STATUS_LIMIT, f"the limit of {self.given.max_ms:g} simulated ms struck"
            if self.drain_at is not None and m5.curTick() >= self.drain_at:
                self._drain()
            until = piece if self.drain_at is None else self.drain_at - m5.curTick()
            done = m5.simulate(min(left, piece, until))
            cause, code = done.getCause(), done.getCode()
            if cause == "simulate() limit reached":
                self.events.progress()
                continue
            end = self._take(cause, code)
            if end is not None:
                return end

    def _take(self, cause, code):
        """What an exit leads to; a status and the reason when it is the end."""
        if cause == "m5_exit instruction encountered":
            self.events.write("exit")
            return 0, "the guest ended the simulation"
        if cause == "m5_fail instruction encountered":
            return self._point(code)
        if cause == "workbegin":
            self.events.write("workbegin", id=code, core=self.core)
            if self.flusher and self.flusher.wants(code):
                self._flush(code)
            m5.stats.reset()
        elif cause == "workend":
            self._work_end(code)
        elif cause == "checkpoint":
            return self._checkpoint()
        elif cause == "switchcpu":
            self.events.write("switchcpu")
        elif cause == "user interrupt received":
            self.events.write("interrupted")
            return STATUS_INTERRUPTED, "interrupted"
        else:
            self.events.write("unknown", cause=cause, code=code)
            return STATUS_UNKNOWN, f"an exit that this configuration does not know: {cause} (code {code})"
        return None

    def _point(self, code):
        self.events.write("fail", code=code)
        if code in POINTS:
            return None
        if code == THE_END:
            return 0, "the guest reported the end of its workflow (m5 fail -1)"
        return (code if 1 <= code <= 122 else 1), f"the guest reported failure {code} (m5 fail {code})"

    def _drain(self):
        self.drain_at = None
        m5.drain()
        self.events.write("drained")

    def _flush(self, item):
        before = self.flusher.core
        self.flusher.flush()
        if self.flusher.core is not before:
            self.running[self.running.index(before)] = self.flusher.core
            # The others keep their counts.
            self.events.cpus = [*self.events.cpus, self.flusher.core]
        self.events.write("flushed", id=item, names=list(self.flusher.names), on=self.flusher.core.path())

    def _work_end(self, item):
        m5.stats.dump()
        self.events.write("workend", id=item, core=self.core, dump=self.dumps)
        self.dumps += 1
        self.items += 1
        if self.parts.spare and self.items == self.given.work_items:
            # What is left of the workflow is not measured: the atomic core does it in a tenth of the time.
            m5.switchCpus(self.system, list(zip(self.running, self.parts.spare)))
            self.events.cpus = self.parts.spare
            self.core = "atomic"
            self.events.write("switched", core=self.core)

    def _checkpoint(self):
        folder = self.given.checkpoint or os.path.join(m5.options.outdir, f"cpt.{m5.curTick()}")
        m5.checkpoint(folder)
        problem = checkpoints.problem(folder, self.system)
        if problem:
            self.events.write("checkpoint_failed", folder=folder, why=problem)
            return STATUS_CHECKPOINT, f"the checkpoint is not whole: {problem}"
        self.events.write("checkpoint", folder=folder)
        if self.given.checkpoint:
            return 0, "the checkpoint is written"
        return None
