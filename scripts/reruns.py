#!/usr/bin/env python3
"""Makes a job (`futon rerun -o`) of the functions that did not pass, for the artifact of a CI job: anyone can run them again from it.

    reruns.py FUTON FOLDER OUT

FOLDER holds a run, OUT gets failed.futon with all of them; if that cannot be made, NAME.futon for some. A job that cannot be made is a warning,
never a failure.
"""
import argparse
import pathlib
import subprocess
import sys

from annotate import annotation
from reports import failures_first, passed, reports

# In one job, which has the base image (220 MB) once.
TOGETHER = 50
# In jobs of their own.
ALONE = 3


def job(futon, run, names, target):
    """Makes a job: why not, if that fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([futon, "rerun", run, *names, "-o", target], capture_output=True, text=True)
    if done.returncode == 0:
        print(f"{', '.join(names)}: `futon run {target.name}` runs this again on any machine; it is in {target.parent}")
        return None
    target.unlink(missing_ok=True)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    return errors[0] if errors else "futon rerun gave no reason"


def pack(futon, run, names, out):
    why = job(futon, run, names, out / "failed.futon")
    if why and len(names) > 1:
        # One of them that cannot be run again must not cost the others.
        for name in names[:ALONE]:
            if alone := job(futon, run, [name], out / f"{name}.futon"):
                print(annotation("warning", f"{name}: no job to run it again", alone))
    elif why:
        print(annotation("warning", f"{names[0]}: no job to run it again", why))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("futon", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    for path, report in reports(args.folder):
        # What was not run has nothing to run again.
        failed = [f for f in failures_first(report["functions"]) if not passed(f) and f["verdict"]["outcome"] != "not_run"]
        names = [function["name"] for function in failed if function["folder"]]
        if names:
            pack(args.futon, path.parent, names[:TOGETHER], args.out)
        if len(names) > TOGETHER:
            print(f"{len(names) - TOGETHER} more did not pass; the job has the first {TOGETHER} only")
    return 0


if __name__ == "__main__":
    sys.exit(main())
