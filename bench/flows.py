#!/usr/bin/env python3
"""Times one function by the documented flow with its own tools, by futon from nothing, and by futon's forks, side by side.

    bench/flows.py [--runs 3] [--function fibonacci-go] [--suite] [--out bench/out]

The documented flow runs on two images: a plain one, as who follows the document has it (bench/plain: the same packages with Debian's own
settings; kernel and initrd are futon's), with the Python upload server; and futon's own base image, whose tuning it profits from. Rounds
are interleaved, so that a busy host hits all alike; medians and ratios go to flows.json and flows.svg. --suite adds all nine functions,
once each by the documented flow, with one and two machines at a time, and from the cache (whose warm bases are made before).
Needs what `make images-all` makes, ports 3003 and 3004 of the loopback, and, the first time, the package registries.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from exchange import upload_server

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUTON = ROOT / "target/x86_64-unknown-linux-gnu/release/futon"
RESOURCES = ROOT / "resources"
NINE = [f"{name}-{language}" for name in ("fibonacci", "aes", "auth") for language in ("go", "python", "nodejs")]

# The documented flow: pull, up, a sleep, twenty calls, down, upload, shut down.
REFERENCE = """#!/bin/sh
cd /root
U=http://10.0.2.2:3003
for f in functions.yaml test-client; do curl -fsS $U/$f -o $f; done
chmod +x test-client
{{
    docker compose -f functions.yaml pull {function} &&
    docker compose -f functions.yaml up -d {function} &&
    sleep 5 &&
    ./test-client -function-name {function} -url localhost -port 50000 -n 20 &&
    docker compose -f functions.yaml down &&
    echo "SUCCESS: All commands completed successfully"
}} >results.log 2>&1
curl -fsS $U/upload -F files=@results.log
poweroff
"""


def plain_image() -> pathlib.Path:
    """The image of the documented flow (bench/plain). Made once."""
    out = ROOT / "target/bench/plain"
    base = [ROOT / "images" / name for name in ("keyring.sh", "base/build.sh", "base/kernel.sh", "base/unsign.sh")]
    recipe = [RESOURCES / "futon-guest", *base, *(file for file in (ROOT / "bench/plain").rglob("*") if file.is_file())]
    made = out / "packages.txt"
    if not made.exists() or any(file.stat().st_mtime > made.stat().st_mtime for file in recipe):
        print("building the plain image (a minute)", flush=True)
        subprocess.run(["sh", ROOT / "images/base/build.sh", "--work", ROOT / "target/bench/work", "--out", out,
                        "--guest", RESOURCES / "futon-guest", "--recipe", ROOT / "bench/plain"], check=True)
        made.touch()
    return out


def reference(function: str, work: pathlib.Path, image: pathlib.Path) -> float:
    """One run of the documented flow: disk copied, machine booted from nothing; on the plain image files by the Python upload server."""
    shutil.rmtree(work, ignore_errors=True)
    served = work / "tmp"
    served.mkdir(parents=True)
    (work / "none").mkdir()
    for name, source in (("functions.yaml", ROOT / "functions/functions.yaml"), ("test-client", RESOURCES / "test-client")):
        shutil.copy(source, served / name)
    (served / "run.sh").write_text(REFERENCE.format(function=function))
    # It has no registry: the images come from futon's, for the plain image on a port of its own, for futon's on the seed's.
    if image == RESOURCES:
        commands = [[FUTON, "serve", served, "--images", "--resources", RESOURCES, "-q"]]
    else:
        commands = [upload_server(served, 3003), [FUTON, "serve", work / "none", "--images", "--port", "3004", "--resources", RESOURCES, "-q"]]
    servers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    try:
        begin = time.monotonic()
        subprocess.run(["cp", "--sparse=always", image / "base-disk-image.img", work / "disk.img"], check=True)
        line = (image / "cmdline").read_text().strip() + " root=/dev/vda"
        subprocess.run(
            ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048",
             "-display", "none", "-no-reboot", "-serial", f"file:{work}/console.log", "-kernel", image / "kernel",
             "-initrd", image / "initrd", "-append", line, "-drive", f"file={work}/disk.img,format=raw,if=virtio",
             "-nic", "user,model=virtio-net-pci"],
            check=True, timeout=600)
        took = time.monotonic() - begin
        log = (served / "results.log").read_text()
        if "SUCCESS: All commands" not in log or "SUCCESS: Calling functions for 20 times" not in log:
            sys.exit(f"the documented flow failed:\n{log}")
        return took
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(10)


def futon(functions: list[str], work: pathlib.Path, *more: str) -> dict:
    """One call of `futon test`: its wall time, the first function's steps, and the sum of each step over all functions."""
    shutil.rmtree(work, ignore_errors=True)
    environment = dict(os.environ, RESOURCES=str(RESOURCES))
    begin = time.monotonic()
    done = subprocess.run([FUTON, "test", *functions, "--json", "--out", work, *more], cwd=ROOT, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    took = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"futon failed:\n{done.stdout.decode()}{done.stderr.decode()}")
    report = json.loads(done.stdout)
    steps = {step["name"]: step["duration_ms"] / 1000 for step in report["functions"][0]["steps"]}
    parts: dict[str, float] = {}
    for function in report["functions"]:
        for step in function["steps"]:
            parts[step["name"]] = round(parts.get(step["name"], 0) + step["duration_ms"] / 1000, 3)
    return {"seconds": took, "steps": steps, "parts": parts, "sum": sum(f["duration_ms"] for f in report["functions"]) / 1000, "cpu": report["cpu_ms"] / 1000}


def plot(rows: list[tuple[str, float]], file: pathlib.Path) -> None:
    """Bars, one a flow."""
    widest = max(value for _, value in rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{34 * len(rows) + 20}" font-family="sans-serif" font-size="13">']
    for i, (name, value) in enumerate(rows):
        y = 10 + 34 * i
        parts.append(f'<text x="4" y="{y + 17}">{name}</text><rect x="240" y="{y}" width="{420 * value / widest:.1f}" height="24" '
                     f'fill="#4a7ebb"/><text x="{248 + 420 * value / widest:.1f}" y="{y + 17}">{value:.1f} s</text>')
    file.write_text("\n".join(parts) + "\n</svg>\n")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--function", default="fibonacci-go")
    arguments.add_argument("--suite", action="store_true")
    arguments.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/out")
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    work = a.out / "work"
    subprocess.run([FUTON, "warm", "make", "--resources", RESOURCES], cwd=ROOT, check=True)
    images = {"documented flow": plain_image(), "documented flow, futon's image": RESOURCES}
    times: dict[str, list[float]] = {name: [] for name in (*images, "futon, cold", "futon, fork")}
    cpu: dict[str, list[float]] = {"cold": [], "fork": []}
    steps: list[dict] = []
    for _ in range(a.runs):
        for name, image in images.items():
            times[name].append(reference(a.function, work, image))
        cold = futon([a.function], work, "--cold")
        times["futon, cold"].append(cold["seconds"])
        cpu["cold"].append(cold["cpu"])
        fork = futon([a.function], work)
        times["futon, fork"].append(fork["seconds"])
        cpu["fork"].append(fork["cpu"])
        steps.append(fork["steps"])
        print({name: [round(t, 1) for t in values] for name, values in times.items()}, flush=True)
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "function": a.function, "runs": a.runs, "processors": os.cpu_count(), "seconds": times, "median": medians,
        "over": {flow: {name: round(medians[flow] / value, 2) for name, value in medians.items()} for flow in images},
        "futon_cpu_seconds_median": {name: statistics.median(values) for name, values in cpu.items()},
        "fork_steps_median": {name: statistics.median(s[name] for s in steps) for name in steps[0]},
    }
    if a.suite:
        suite = {}
        for name, image in images.items():
            each = {function: reference(function, work, image) for function in NINE}
            suite[f"{name}, sum"] = {"seconds": sum(each.values()), "functions": each}
        calls = {"jobs 1": ["--jobs", "1"], "jobs 2": ["--jobs", "2"], "jobs 2, from cache": ["--jobs", "2", "--from-cache"]}
        for name, flags in calls.items():
            futon(NINE, work, *flags)  # makes the warm bases that it needs
            suite[name] = futon(NINE, work, *flags)
        for name, row in suite.items():
            row["over"] = {flow: round(suite[f"{flow}, sum"]["seconds"] / row["seconds"], 2) for flow in images}
            medians[f"nine functions, {name}"] = row["seconds"]
        result["suite"] = suite
    shutil.rmtree(work, ignore_errors=True)
    (a.out / "flows.json").write_text(json.dumps(result, indent=2) + "\n")
    plot(list(medians.items()), a.out / "flows.svg")
    if a.suite:
        print(json.dumps(result["suite"], indent=2))
    print(json.dumps({key: result[key] for key in ("median", "over", "futon_cpu_seconds_median", "fork_steps_median")}, indent=2))


if __name__ == "__main__":
    main()
