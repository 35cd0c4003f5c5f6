"""Tests of the configuration without a simulator: a stand-in for m5 plays exits. `python3 gem5/test_config.py`."""

import importlib
import io
import json
import os
import sys
import tempfile
import types
import unittest
from contextlib import redirect_stdout

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


class Machine:
    """A system with one core and one more object."""

    def __init__(self):
        self.cpu = [Object("system.cpu")]

    def descendants(self):
        return [*self.cpu, Object("system.membus")]


class Simulator(types.ModuleType):
    """What of m5 the driver uses."""

    def __init__(self, exits, outdir):
        super().__init__("m5")
        self.exits, self.tick, self.calls = list(exits), 0, []
        self.options = types.SimpleNamespace(outdir=outdir)
        self.stats = types.SimpleNamespace(
            reset=lambda: self.calls.append("reset"), dump=lambda: self.calls.append("dump")
        )
        self.whole = True

    def curTick(self):
        return self.tick

    def instantiate(self, restore):
        self.calls.append(("instantiate", restore))

    def simulate(self, ticks):
        self.tick += ticks
        if not self.exits and self.tick > 10**12:
            raise AssertionError("the run does not end")
        return self.exits.pop(0) if self.exits else Exit("simulate() limit reached")

    def switchCpus(self, _system, pairs):
        self.calls.append(("switch", len(pairs)))

    def checkpoint(self, folder):
        os.makedirs(folder)
        with open(os.path.join(folder, "m5.cpt"), "w", encoding="utf-8") as file:
            file.write("[Globals]\n[system.cpu]\n" + ("[system.membus]\n" if self.whole else ""))


def play(exits, whole=True, spare=(), **given):
    """Status, events and calls of a run."""
    with tempfile.TemporaryDirectory() as outdir:
        sys.modules["m5"] = m5 = Simulator(exits, outdir)
        native = types.SimpleNamespace(seedRandom=lambda seed: m5.calls.append(("seed", seed)), gem5Version="24.0")
        sys.modules["_m5"] = types.SimpleNamespace(core=native)
        sys.modules["_m5.core"] = native
        m5.whole = whole
        sys.modules.pop("futon_gem5.drive", None)
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
            "max_ms": 0,
            "slice_ms": 1.0,
        }
        wanted.update(given)
        if wanted["checkpoint"]:
            wanted["checkpoint"] = os.path.join(outdir, "checkpoint")
        parts = types.SimpleNamespace(measured="system.cpu", llc=None, spare=list(spare))
        said = io.StringIO()
        with redirect_stdout(said):
            status = drive.run(types.SimpleNamespace(**wanted), Machine(), parts)
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
