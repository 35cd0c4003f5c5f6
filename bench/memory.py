#!/usr/bin/env python3
"""Memory of machines side by side: ten forks against three that booted from nothing.

    bench/memory.py [--forks 10] [--cold 3] [--out bench/out]

Each guest sleeps; what counts is the sum of the proportional set sizes (PSS, proc(5) smaps_rollup) of all QEMU processes, in which a page
that ten forks share counts once. Also what each run leaves on the disk. Goes to memory.json.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUTON = ROOT / "target/x86_64-unknown-linux-gnu/release/futon"
RESOURCES = ROOT / "resources"

SCRIPT = """#!/bin/sh
cd /root
echo here >here.txt
curl -fsS http://10.0.2.2:3003/upload -F files=@here.txt
sleep {sleep}
echo 'SUCCESS: All commands completed successfully' >results.log
curl -fsS http://10.0.2.2:3003/upload -F files=@results.log
poweroff -f
"""


def pss_mib(folder: pathlib.Path) -> float:
    """PSS of all QEMU processes that have to do with a folder, MiB."""
    total = 0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if not words[0].endswith(b"qemu-system-x86_64") or str(folder).encode() not in b" ".join(words):
                continue
            line = next(l for l in (process / "smaps_rollup").read_text().splitlines() if l.startswith("Pss:"))
            total += int(line.split()[1])
        except (OSError, StopIteration):
            continue
    return total / 1024


def side_by_side(count: int, sleep: int, *more: str) -> dict:
    """Starts machines, waits until every guest runs its script, and weighs them."""
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as name:
        folder = pathlib.Path(name)
        (folder / "script.sh").write_text(SCRIPT.format(sleep=sleep))
        children = []
        for i in range(count):
            home = folder / f"m{i}"
            home.mkdir()
            command = [FUTON, "exec", folder / "script.sh", "--resources", RESOURCES, "--out", home / "out", "-q", *more]
            children.append(subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        try:
            end = time.monotonic() + sleep
            while len(list(folder.glob("m*/runs/*/script/results/uploads/here.txt"))) < count:
                if time.monotonic() > end:
                    raise SystemExit(f"not all of {count} machines came up within {sleep} s")
                time.sleep(0.5)
            weight = pss_mib(folder)
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(60)
        left = int(subprocess.run(["du", "-sm", folder], check=True, capture_output=True).stdout.split()[0])
        return {"machines": count, "pss_mib": round(weight), "mib_each": round(weight / count), "left_on_disk_mib_each": round(left / count, 1)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--forks", type=int, default=10)
    arguments.add_argument("--cold", type=int, default=3)
    arguments.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/out")
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    subprocess.run([FUTON, "warm", "make", "--resources", RESOURCES], cwd=ROOT, check=True)
    result = {"forks": side_by_side(a.forks, 120), "cold": side_by_side(a.cold, 240, "--cold")}
    (a.out / "memory.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
