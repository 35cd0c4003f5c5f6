#!/usr/bin/env python3
"""Makes a portable run (`futon rerun`) of functions that did not pass, for the artifact of a CI job.

    reruns.py FUTON FOLDER OUT

FOLDER holds runs, OUT gets NAME.futon for each. At most 3: each may hold a base image. A run that cannot be made portable is a warning, never
a failure.
"""
import argparse
import pathlib
import subprocess
import sys

from annotate import annotation
from reports import failures_first, passed, reports

MOST = 3


def folder_of(path, function):
    """The folder of a function's run, which has its plan: that of its results is in it. A merged report has paths relative to itself."""
    results = path.parent / function["folder"]
    here = path.parent / function["name"]
    return here if here.is_dir() else results.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("futon", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    found = [(path, f) for path, report in reports(args.folder) for f in failures_first(report["functions"])]
    # What was not run has nothing to run again.
    failed = [(path, f) for path, f in found if not passed(f) and f["verdict"]["outcome"] != "not_run" and f["folder"]]
    for path, function in failed[:MOST]:
        args.out.mkdir(parents=True, exist_ok=True)
        target = args.out / f"{function['name']}.futon"
        done = subprocess.run([args.futon, "rerun", folder_of(path, function), "-o", target], capture_output=True, text=True)
        if done.returncode == 0:
            print(f"{function['name']}: {target} runs it again anywhere: futon run {target.name}")
        else:
            why = (done.stderr.strip().splitlines() or ["futon rerun said nothing"])[0]
            print(annotation("warning", f"{function['name']}: no portable run", why))
            target.unlink(missing_ok=True)
    if len(failed) > MOST:
        print(f"{len(failed) - MOST} more did not pass; portable runs are made of the first {MOST} only")
    return 0


if __name__ == "__main__":
    sys.exit(main())
