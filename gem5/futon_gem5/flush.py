"""The measured core's state before a call: which structures are emptied, and how. Only what an unpatched gem5's own
Python can do (`memWriteback`, `memInvalidate`, `switchCpus`); docs/gem5.md ("States") says what that leaves.

Names and rules are plain Python, so that the command line is checked without a simulator.
"""

import m5

# In the order in which caches write back: what is dirty in one is written into the next.
NAMES = ("l1i", "l1d", "mmucache", "l2", "llc", "itlb", "dtlb", "btb", "direction", "indirect")

# Work items 100, 101, ... are the test client's calls.
FIRST_ITEM = 100

# A fresh direction predictor is that of a core which has not run yet: each call needs one.
MOST_FRESH_CORES = 64

_CACHES = {"l1i": "icache", "l1d": "dcache", "mmucache": "mmucache", "l2": "l2cache"}
_TLBS = {"itlb": "itb", "dtlb": "dtb"}


def structures(system, cpu):
    """The names of what a core of this model has on this system."""
    if cpu not in ("timing", "o3"):
        return ()
    missing = set()
    if system != "skylake":
        missing |= {"mmucache", "l2"}
    if cpu != "o3":
        missing |= {"btb", "direction", "indirect"}
    return tuple(name for name in NAMES if name not in missing)


def parse(text, system, cpu):
    """The names of a list, in order; None for an empty one, a warm core. ValueError says what is wrong."""
    if not text:
        return None
    have = structures(system, cpu)
    if not have:
        raise ValueError(f"--flush {text}: the {cpu} core has nothing to flush; --cpu timing and --cpu o3 have")
    if text == "none":
        return ()
    names = set(have if text == "all" else text.split(","))
    for name in sorted(names):
        if name not in NAMES:
            raise ValueError(f"--flush {text}: there is no {name!r}; there are {', '.join(NAMES)}, all, none")
        if name not in have:
            raise ValueError(
                f"--flush {text}: the {cpu} core on the system {system} has no {name}; it has {', '.join(have)}"
            )
    if "indirect" in names and "direction" not in names:
        raise ValueError(f"--flush {text}: indirect is emptied only together with direction")
    if "direction" in names:
        # A core that is switched in or out has empty TLBs (BaseCPU::switchOut, X86ISA::TLB::takeOverFrom).
        names |= {"itlb", "dtlb"}
    return tuple(name for name in NAMES if name in names)


def fresh_cores(names, work_items, discarded):
    """How many cores are needed that have not run yet. ValueError when there are too many."""
    if not names or "direction" not in names:
        return 0
    calls = work_items - discarded
    if not 1 <= calls <= MOST_FRESH_CORES:
        raise ValueError(
            f"--flush direction: a fresh predictor takes a core for each measured call: 1 to {MOST_FRESH_CORES} calls,"
            f" not {calls} (--work-items without --discarded)"
        )
    return calls


def measured_index(cpus):
    """Place of the measured core."""
    return 0 if cpus == 1 else 1


def share_predictor(fresh, core, names, null):
    """Gives a core that has not run yet the parts of another's branch predictor that are to be kept."""
    kept = ["btb"] if "indirect" in names else ["btb", "ras", "indirectBranchPred"]
    for part in kept:
        shared = getattr(core.branchPred, part, None)
        if shared is None:
            raise SystemExit(f"error: --flush direction: this gem5's branch predictor has no {part} (v23.1 and later)")
        # Null first: that takes the core's own part out of the tree of objects.
        setattr(fresh.branchPred, part, null)
        setattr(fresh.branchPred, part, shared)


def widen_filters(system):
    """Snoop filters do not notice a flush: what they still believe to be in a cache may outgrow their limit, which only
    guards against errors, and is no size of anything that is simulated."""
    for obj in system.descendants():
        if obj.type == "SnoopFilter":
            obj.max_capacity = "4GiB"


class Flusher:
    """Puts the measured core into its state before each measured call."""

    def __init__(self, given, system, fresh):
        self.names = given.flush
        self.first = FIRST_ITEM + given.discarded
        self.end = FIRST_ITEM + given.work_items if given.work_items else None
        self.system = system
        # The caches stay this core's, whoever runs on them.
        self.owner = system.cpu[measured_index(given.cpus)]
        self.core = self.owner
        self.fresh = list(fresh)
        if "btb" in self.names and getattr(self.owner.branchPred, "btb", None) is None:
            raise SystemExit("error: --flush btb: this gem5's branch target buffer is no object (v23.1 and later)")

    def wants(self, item):
        """Whether a work item is a measured call. One for which no fresh core is left is not flushed."""
        if "direction" in self.names and not self.fresh:
            return False
        return item >= self.first and (self.end is None or item < self.end)

    def flush(self):
        """Flushes. What was dirty is in memory or in a cache that is not flushed."""
        # Nothing may be under way in what is emptied.
        m5.drain()
        if "direction" in self.names:
            self._switch()
        caches = self._caches()
        for cache in caches:
            cache.memWriteback()
        tlbs = [getattr(self.core.mmu, part) for name, part in _TLBS.items() if name in self.names]
        buffers = [self.core.branchPred.btb] if "btb" in self.names else []
        for obj in [*caches, *tlbs, *buffers]:
            obj.memInvalidate()

    def _switch(self):
        fresh = self.fresh.pop(0)
        m5.switchCpus(self.system, [(self.core, fresh)])
        self.core = fresh

    def _caches(self):
        own = [getattr(self.owner, part) for name, part in _CACHES.items() if name in self.names]
        return own + ([self.system.llc] if "llc" in self.names else [])
