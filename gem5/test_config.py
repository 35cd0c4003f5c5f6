"""Tests of the configuration without a simulator: a stand-in for m5 plays exits. `python3 gem5/test_config.py`."""

import importlib
import io
import json
import os
import sys
import tempfile
import types
import unittest
from contextlib import redirect_stderr, redirect_stdout

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class Exit:
    def __init__(self, cause, code=0):
        self.cause, self.code = cause, code

    def getCause(self):
        return self.cause

    def getCode(self):
        return self.code


class Object:
    def __init__(self, name):
        self.name = name

    def path(self):
        return self.name

    def totalInsts(self):
        return 7


class Structure(Object):
    """A cache, TLB or buffer: content that may be dirty, and may be thrown away only while nothing is under way."""

    def __init__(self, name):
        super().__init__(name)
        self.full, self.dirty = True, name.endswith(("dcache", "l2cache", "mmucache", "llc"))

    def memWriteback(self):
        assert sys.modules["m5"].drained, f"{self.name} is written back while packets are under way"
        self.dirty = False

    def memInvalidate(self):
        assert sys.modules["m5"].drained, f"{self.name} is flushed while packets are under way"
        assert not self.dirty, f"{self.name} is dirty: data would be lost"
        self.full = False


class Core(Object):
    """A core with everything that Skylake has."""

    def __init__(self, name, whole=True):
        super().__init__(name)
        of = lambda parts: types.SimpleNamespace(**{part: Structure(f"{name}.{part}") for part in parts})
        self.mmu, self.branchPred = of(["itb", "dtb"]), of(["btb", "ras", "indirectBranchPred"])
        if whole:
            self.icache, self.dcache = Structure(f"{name}.icache"), Structure(f"{name}.dcache")
            self.l2cache, self.mmucache = Structure(f"{name}.l2cache"), Structure(f"{name}.mmucache")

    def flushed(self):
        """Names of its structures that are empty."""
        parts = [*vars(self).values(), *vars(self.mmu).values(), *vars(self.branchPred).values()]
        return {part.name.rpartition(".")[2] for part in parts if isinstance(part, Structure) and not part.full}


class Machine:
    """A system with cores and one more object."""

    def __init__(self, cpus=1):
        self.cpu = [Core("system.cpu")] if cpus == 1 else [Core(f"system.cpu{i}") for i in range(cpus)]
        self.llc = Structure("system.llc")

    def descendants(self):
        return [*self.cpu, Object("system.membus")]


class Simulator(types.ModuleType):
    """What of m5 the driver uses."""

    def __init__(self, exits, outdir):
        super().__init__("m5")
        self.exits, self.tick, self.calls, self.switched = list(exits), 0, [], []
        self.options = types.SimpleNamespace(outdir=outdir)
        self.stats = types.SimpleNamespace(
            reset=lambda: self.calls.append("reset"), dump=lambda: self.calls.append("dump")
        )
        self.whole, self.drained, self.machine = True, False, None

    def drain(self):
        self.calls.append("drain")
        self.drained = True

    def curTick(self):
        return self.tick

    def instantiate(self, restore):
        self.calls.append(("instantiate", restore))

    def simulate(self, ticks):
        self.tick += ticks
        self.drained = False
        if not self.exits and self.tick > 10**12:
            raise AssertionError("the run does not end")
        return self.exits.pop(0) if self.exits else Exit("simulate() limit reached")

    def switchCpus(self, _system, pairs):
        self.calls.append(("switch", len(pairs)))
        self.switched.append([(old.path(), new.path()) for old, new in pairs])

    def checkpoint(self, folder):
        os.makedirs(folder)
        with open(os.path.join(folder, "m5.cpt"), "w", encoding="utf-8") as file:
            file.write("[Globals]\n[system.cpu]\n" + ("[system.membus]\n" if self.whole else ""))


def play(exits, whole=True, spare=(), fresh=(), machine=None, **given):
    """Status, events and calls of a run."""
    with tempfile.TemporaryDirectory() as outdir:
        sys.modules["m5"] = m5 = Simulator(exits, outdir)
        native = types.SimpleNamespace(seedRandom=lambda seed: m5.calls.append(("seed", seed)), gem5Version="24.0")
        sys.modules["_m5"] = types.SimpleNamespace(core=native)
        sys.modules["_m5.core"] = native
        m5.whole = whole
        for name in ("drive", "flush"):
            sys.modules.pop(f"futon_gem5.{name}", None)
            # `from . import` would find the old one here.
            vars(sys.modules.get("futon_gem5", types.SimpleNamespace())).pop(name, None)
        drive = importlib.import_module("futon_gem5.drive")
        wanted = {
            "cpu": "o3",
            "cpus": 1,
            "system": "simple",
            "params": {},
            "seed": 3,
            "restore": None,
            "checkpoint": None,
            "work_items": 0,
            "discarded": 0,
            "flush": None,
            "max_ms": 0,
            "slice_ms": 1.0,
            "drain_at_us": 0,
        }
        wanted.update(given)
        if wanted["checkpoint"]:
            wanted["checkpoint"] = os.path.join(outdir, "checkpoint")
        parts = types.SimpleNamespace(measured="system.cpu", llc=None, spare=list(spare), fresh=list(fresh))
        said = io.StringIO()
        with redirect_stdout(said):
            status = drive.run(types.SimpleNamespace(**wanted), machine or Machine(), parts)
        lines = [line for line in said.getvalue().splitlines() if line.startswith("futon-event: ")]
        return status, [json.loads(line[13:]) for line in lines], m5.calls


FAIL = "m5_fail instruction encountered"
EXIT = "m5_exit instruction encountered"


class Drive(unittest.TestCase):
    def test_points_go_on_and_the_end_ends(self):
        status, events, calls = play([Exit(FAIL, 1), Exit(FAIL, 31), Exit(EXIT)])
        self.assertEqual(status, 0)
        self.assertEqual([e["event"] for e in events], ["start", "fail", "fail", "exit", "end"])
        self.assertIn(("seed", 3), calls)
        self.assertEqual(play([Exit(FAIL, -1)])[0], 0)

    def test_other_codes_and_unknown_exits_fail(self):
        self.assertEqual(play([Exit(FAIL, 77)])[0], 77)
        self.assertEqual(play([Exit(FAIL, 1000)])[0], 1)
        status, events, _ = play([Exit("warp", 9)])
        self.assertEqual((status, events[1]["event"], events[1]["cause"]), (3, "unknown", "warp"))

    def test_work_items_are_dumped_and_the_atomic_core_takes_over(self):
        items = [Exit("workbegin", 100), Exit("workend", 100), Exit("workbegin", 101), Exit("workend", 101)]
        status, events, calls = play([*items, Exit(EXIT)], spare=[Object("system.spare_cpu")], work_items=2)
        self.assertEqual(status, 0)
        dumps = [(e["id"], e["dump"], e["core"]) for e in events if e["event"] == "workend"]
        self.assertEqual(dumps, [(100, 0, "o3"), (101, 1, "o3")])
        self.assertEqual([c for c in calls if not isinstance(c, tuple)], ["reset", "dump", "reset", "dump"])
        self.assertIn(("switch", 1), calls)

    def test_a_checkpoint_ends_the_run_or_is_called_torn(self):
        status, events, _ = play([Exit("checkpoint")], checkpoint=True)
        self.assertEqual((status, events[1]["event"]), (0, "checkpoint"))
        status, events, _ = play([Exit("checkpoint")], checkpoint=True, whole=False)
        self.assertEqual((status, events[1]["event"]), (4, "checkpoint_failed"))
        self.assertIn("system.membus", events[1]["why"])
        # Nobody asked for it: it is written, and the run goes on.
        self.assertEqual(play([Exit("checkpoint"), Exit(EXIT)])[0], 0)

    def test_simulated_time_is_limited(self):
        status, events, _ = play([], max_ms=5)
        self.assertEqual((status, events[1]["event"], events[1]["ms"]), (124, "limit", 5))

    def test_the_pipelines_are_drained_once_when_that_is_asked_for(self):
        # 1 ms pieces: the second one ends at the drain.
        status, events, calls = play([], max_ms=5, drain_at_us=1500)
        self.assertEqual((status, calls.count("drain")), (124, 1))
        self.assertEqual([(e["event"], e["tick"]) for e in events[1:2]], [("drained", 1_500_000_000)])
        # What happens at that very moment is not lost.
        _, events, calls = play([*items(100), Exit(EXIT)], drain_at_us=1000)
        self.assertEqual([e["event"] for e in events[1:4]], ["workbegin", "drained", "workend"])
        self.assertNotIn("drain", play(items(100) + [Exit(EXIT)])[2])


def items(*numbers):
    """Exits of these work items."""
    return [Exit(cause, number) for number in numbers for cause in ("workbegin", "workend")]


def parse(*options):
    """The options' values; what argparse prints is the error."""
    sys.modules.setdefault("m5", types.ModuleType("m5"))
    from futon_gem5 import options as module

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return module.parse(["--kernel", "k", *options])
    except SystemExit:
        raise ValueError(said.getvalue()) from None


class Flush(unittest.TestCase):
    def test_measured_calls_alone_find_the_named_structures_empty(self):
        machine = Machine(cpus=2)
        names = ("l1i", "l1d", "l2", "btb")
        status, events, calls = play(
            [*items(7, 100, 101, 102, 103), Exit(EXIT)], machine=machine, cpus=2, flush=names, work_items=3, discarded=1
        )
        self.assertEqual(status, 0)
        told = [(e["id"], e["names"], e["on"]) for e in events if e["event"] == "flushed"]
        self.assertEqual(told, [(101, list(names), "system.cpu1"), (102, list(names), "system.cpu1")])
        self.assertEqual(machine.cpu[1].flushed(), {"icache", "dcache", "l2cache", "btb"})
        self.assertEqual(machine.cpu[0].flushed(), set())
        self.assertTrue(machine.llc.full)
        # Before the statistics begin anew, so that no figure holds what the flush does.
        plain = [call for call in calls if not isinstance(call, tuple)]
        self.assertEqual(plain, ["reset", "dump"] * 2 + ["drain", "reset", "dump"] * 2 + ["reset", "dump"])
        order = [(e["event"], e.get("id")) for e in events if e["event"] in ("workbegin", "flushed", "workend")]
        self.assertEqual(order[4:7], [("workbegin", 101), ("flushed", 101), ("workend", 101)])

    def test_every_name_empties_something_and_nothing_else(self):
        for name, part in (("l1i", "icache"), ("l1d", "dcache"), ("mmucache", "mmucache"), ("l2", "l2cache")):
            machine = Machine()
            play([*items(100), Exit(EXIT)], machine=machine, flush=(name,))
            self.assertEqual((machine.cpu[0].flushed(), machine.llc.full), ({part}, True), name)
        for name, part in (("itlb", "itb"), ("dtlb", "dtb"), ("btb", "btb")):
            machine = Machine()
            play([*items(100), Exit(EXIT)], machine=machine, flush=(name,))
            self.assertEqual(machine.cpu[0].flushed(), {part}, name)
        machine = Machine()
        play([*items(100), Exit(EXIT)], machine=machine, flush=("llc",))
        self.assertEqual((machine.cpu[0].flushed(), machine.llc.full), (set(), False))

    def test_the_control_drains_and_flushes_nothing_and_a_warm_core_is_let_alone(self):
        machine = Machine()
        _, events, calls = play([*items(100), Exit(EXIT)], machine=machine, flush=())
        self.assertEqual([e["names"] for e in events if e["event"] == "flushed"], [[]])
        self.assertEqual((machine.cpu[0].flushed(), machine.llc.full, calls.count("drain")), (set(), True, 1))
        _, events, calls = play([*items(100), Exit(EXIT)])
        self.assertNotIn("drain", calls)
        self.assertNotIn("flushed", [e["event"] for e in events])

    def test_each_call_has_a_predictor_of_its_own(self):
        machine, fresh = Machine(cpus=2), [Core(f"system.fresh_cpu{i}", whole=False) for i in range(2)]
        names = ("l1i", "itlb", "dtlb", "direction")
        spare = [Object(f"system.spare_cpu{i}") for i in range(2)]
        status, events, _ = play(
            [*items(100, 101, 102), Exit(EXIT)],
            machine=machine,
            fresh=fresh,
            spare=spare,
            cpus=2,
            flush=names,
            work_items=3,
            discarded=1,
        )
        self.assertEqual(status, 0)
        self.assertEqual(events[0]["stand_ins"], ["system.fresh_cpu0", "system.fresh_cpu1"])
        on = [e["on"] for e in events if e["event"] == "flushed"]
        self.assertEqual(on, ["system.fresh_cpu0", "system.fresh_cpu1"])
        self.assertEqual(
            sys.modules["m5"].switched,
            [
                [("system.cpu1", "system.fresh_cpu0")],
                [("system.fresh_cpu0", "system.fresh_cpu1")],
                [("system.cpu0", "system.spare_cpu0"), ("system.fresh_cpu1", "system.spare_cpu1")],
            ],
        )
        # The caches stay those of the first core; the TLBs are those of whoever runs.
        self.assertEqual(machine.cpu[1].flushed(), {"icache"})
        self.assertEqual([core.flushed() for core in fresh], [{"itb", "dtb"}] * 2)
        # Instructions of all cores that have run: none is forgotten.
        self.assertEqual(events[-4]["insts"], 4 * 7)

    def test_a_call_without_a_fresh_core_is_not_said_to_be_flushed(self):
        fresh = [Core("system.fresh_cpu", whole=False)]
        _, events, _ = play([*items(100, 100), Exit(EXIT)], fresh=fresh, flush=("itlb", "dtlb", "direction"))
        self.assertEqual([e["event"] for e in events].count("flushed"), 1)

    def test_a_fresh_core_keeps_what_is_not_flushed_of_the_predictor(self):
        parse()
        from futon_gem5 import flush

        parts = ["btb", "ras", "indirectBranchPred"]
        for names, shared in ((("direction",), parts), (("direction", "indirect"), ["btb"])):
            core, fresh = Core("a"), Core("b")
            flush.share_predictor(fresh, core, names, None)
            same = [part for part in parts if getattr(fresh.branchPred, part) is getattr(core.branchPred, part)]
            self.assertEqual(same, shared)

    def test_lists_are_checked(self):
        o3 = ("--cpu", "o3", "--work-items", "8", "--discarded", "3")
        self.assertIsNone(parse().flush)
        self.assertEqual(parse(*o3, "--flush", "btb,l1i").flush, ("l1i", "btb"))
        self.assertEqual(parse(*o3, "--flush", "none").flush, ())
        whole = parse(*o3, "--flush", "all", "--system", "skylake")
        self.assertEqual((len(whole.flush), whole.fresh_cores), (10, 5))
        simple = parse("--cpu", "timing", "--flush", "all")
        self.assertEqual((simple.flush, simple.fresh_cores), (("l1i", "l1d", "llc", "itlb", "dtlb"), 0))
        # What gem5 cannot keep is said to be flushed, too.
        self.assertEqual(parse(*o3, "--flush", "direction").flush, ("itlb", "dtlb", "direction"))
        for bad, why in (
            ((*o3, "--flush", "l9"), "there is no 'l9'"),
            ((*o3, "--flush", "l1i,"), "there is no ''"),
            ((*o3, "--flush", "l2"), "has no l2"),
            (("--cpu", "timing", "--flush", "btb"), "has no btb"),
            (("--flush", "l1i"), "nothing to flush"),
            ((*o3, "--flush", "indirect"), "only together"),
            (("--cpu", "o3", "--flush", "direction"), "for each measured call"),
            (("--cpu", "o3", "--work-items", "99", "--flush", "direction"), "for each measured call"),
        ):
            with self.assertRaisesRegex(ValueError, why):
                parse(*bad)

    def test_snoop_filters_have_room_for_what_was_flushed(self):
        parse()
        from futon_gem5 import flush

        snoops, other = types.SimpleNamespace(type="SnoopFilter"), types.SimpleNamespace(type="Cache")
        flush.widen_filters(types.SimpleNamespace(descendants=lambda: [snoops, other]))
        self.assertEqual((snoops.max_capacity, hasattr(other, "max_capacity")), ("4GiB", False))


class Tables(unittest.TestCase):
    def test_overrides_are_checked(self):
        from futon_gem5 import tables

        self.assertEqual(tables.parameters("skylake", ["l2.size=2MiB"])["l2.size"], "2MiB")
        self.assertEqual(tables.parameters("simple", ["llc.assoc=4"])["llc.assoc"], 4)
        for bad in ("l2.size", "l2.size=", "l9.size=1", "llc.assoc=many"):
            with self.assertRaises(ValueError):
                tables.parameters("simple", [bad])

    def test_every_parameter_has_a_source(self):
        from futon_gem5 import tables

        for table in tables.SYSTEMS.values():
            names = [name for name, _, _ in table]
            self.assertEqual(len(names), len(set(names)))
            self.assertTrue(all(source for _, _, source in table))


if __name__ == "__main__":
    unittest.main()
