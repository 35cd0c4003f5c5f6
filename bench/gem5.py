#!/usr/bin/env python3
"""Functions on gem5's O3 core, from nothing to the verdict: how long, on both bases.

    GEM5=/path/to/gem5.fast bench/gem5.py [--rounds 5] [--only lean-go,…] [--out bench/out]

A row of the table is a whole `futon test`: five measured calls after three discarded, 20 warm-up calls in QEMU. A lean run begins with an empty
`checkpoints` folder; a docker run finds its staged base there, made before the rounds (`futon test` stages the function anew each time). The
rounds are interleaved.
"first row" is the time from futon's start to the end of the first call on the O3 core. Medians and all runs go to gem5.json.
Needs resources, the sample images (`make images-all`) and a machine with nothing else to do.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUTON = ROOT / "target/x86_64-unknown-linux-gnu/release/futon"
LIMIT_S = 900
# Name, function, base, goals in seconds: first row, whole test.
CASES = [
    ("lean-go", "fibonacci-go", "lean", 10, 40),
    ("lean-python", "fibonacci-python", "lean", 15, 60),
    ("lean-nodejs", "fibonacci-nodejs", "lean", 25, 110),
    ("docker-go", "fibonacci-go", "docker", None, 60),
    ("docker-nodejs", "fibonacci-nodejs", "docker", None, 150),
]


def first_row(folder: pathlib.Path) -> bool:
    """Has a call on the measured core ended?"""
    log = folder / "results/gem5/evaluate/gem5.log"
    try:
        return '"event": "workend"' in log.read_text(errors="replace")
    except OSError:
        return False


def run(function: str, base: str, resources: pathlib.Path, out: pathlib.Path) -> dict:
    """One whole test. Ends the program if it does not pass."""
    shutil.rmtree(out, ignore_errors=True)
    command = [FUTON, "test", function, "--functions", ROOT / "functions/functions.yaml", "--on", "gem5", "--base", base, "--cpu", "o3"]
    command += ["--system", "skylake", "-n", "5", "--software-warmup", "20", "--uarch-warmup", "3", "--out", out]
    log = out.with_suffix(".log")
    begun = time.monotonic()
    row = None
    with open(log, "wb") as told:
        futon = subprocess.Popen(command, env=os.environ | {"RESOURCES": str(resources)}, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        while futon.poll() is None:
            if row is None and first_row(out / function):
                row = time.monotonic() - begun
            if time.monotonic() - begun > LIMIT_S:
                futon.terminate()
                futon.wait()
                sys.exit(f"error: {function} on {base} took longer than {LIMIT_S} s; {log} says how far it came")
            time.sleep(0.1)
    if futon.returncode != 0:
        sys.exit(f"error: {function} on {base} did not pass (exit {futon.returncode}); {log} says why")
    return {"total": time.monotonic() - begun, "row": row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(case[0] for case in CASES), help="cases, separated by commas")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/out")
    args = parser.parse_args()
    if "GEM5" not in os.environ:
        sys.exit("error: GEM5 is not set\nhint: GEM5=/path/to/gem5.fast bench/gem5.py; docs/gem5.md says how to get one")
    wanted = args.only.split(",")
    cases = [case for case in CASES if case[0] in wanted]
    if len(cases) != len(wanted):
        sys.exit(f"error: --only knows {', '.join(case[0] for case in CASES)}")
    built = pathlib.Path(os.environ.get("RESOURCES", ROOT / "resources")).resolve()
    with tempfile.TemporaryDirectory(dir=ROOT / "target", prefix="bench-gem5-") as work:
        work = pathlib.Path(work)
        # The resources as they are, with checkpoints of our own.
        resources = work / "resources"
        resources.mkdir()
        for entry in [*built.iterdir()]:
            if entry.name != "checkpoints":
                (resources / entry.name).symlink_to(entry)
        checkpoints = resources / "checkpoints"
        kept = work / "kept"
        kept.mkdir()
        if any(case[2] == "docker" for case in cases):
            checkpoints.mkdir()
            run("fibonacci-go", "docker", resources, work / "base")
            checkpoints.rename(kept / "docker")
        runs = {case[0]: [] for case in cases}
        for number in range(args.rounds):
            for name, function, base, _, _ in cases:
                if base == "docker":
                    (kept / "docker").rename(checkpoints)
                took = run(function, base, resources, work / "out")
                if base == "docker":
                    checkpoints.rename(kept / "docker")
                shutil.rmtree(checkpoints, ignore_errors=True)
                runs[name].append(took)
                print(f"round {number + 1}: {name} {took['total']:.1f} s, first row {took['row']:.1f} s", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    table = {}
    for name, _, _, row_goal, goal in cases:
        totals = [one["total"] for one in runs[name]]
        rows = [one["row"] for one in runs[name]]
        table[name] = {"median_s": statistics.median(totals), "runs_s": totals, "goal_s": goal}
        table[name] |= {"first_row_median_s": statistics.median(rows), "first_rows_s": rows, "first_row_goal_s": row_goal}
        print(f"{name:14} {statistics.median(totals):6.1f} s ({min(totals):.1f} to {max(totals):.1f}; goal {goal}), "
              f"first row {statistics.median(rows):.1f} s (goal {row_goal or 'none'})")
    (args.out / "gem5.json").write_text(json.dumps({"rounds": args.rounds, "cases": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
