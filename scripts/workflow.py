#!/usr/bin/env python3
"""Runs a job of a workflow file here: each `run:` step in order, as the file writes it, in a bare Debian root.

    workflow.py FILE JOB [--suite bookworm] [--input NAME=VALUE]… [--file PATH]… [--keep]

FILE is a workflow or an action.yml (JOB is then `action`). With `all` for JOB, all jobs of the workflow run, one after the other, each of a matrix
in a root of its own, with outputs and artifacts between them. Steps of others (`uses:`) have stand-ins here, named below; what has none is
refused, and so are expressions and keys that this script does not know: it never guesses. What differs from a runner of GitHub's is said in
docs/ci.md. Needs root, mmdebstrap and PyYAML (python3-yaml). Works in WORKFLOW_WORK (default target/workflow); logs and artifacts stay there.
"""
import argparse
import os
import pathlib
import re
import shutil
import sys

from expressions import Expression, Refused
from workflow_job import WORK, Job, roots, yaml

# What GitHub's Ubuntu has and a bare Debian has not; all else the workflow must bring.
PACKAGES = "git,make,ca-certificates,sudo,curl,python3"
JOB_KEYS = {"runs-on", "timeout-minutes", "steps", "env", "permissions", "needs", "name", "if", "outputs", "strategy"}
STRATEGY_KEYS = {"fail-fast", "matrix"}


def read(path):
    """The jobs of a file, and the inputs it knows with their defaults."""
    described = yaml.safe_load(path.read_text())
    if "runs" in described:
        inputs = {key: "" for key in described["inputs"]}
        given = {key: f"${{{{ inputs.{key} }}}}" for key in inputs}
        return {"action": {"steps": [{"uses": "actions/checkout@v4"}, {"uses": "./.", "with": given}]}}, inputs
    # YAML 1.1 reads the key `on` as true.
    inputs = ((described.get(True) or {}).get("workflow_call") or {}).get("inputs", {})
    jobs = described["jobs"]
    for name, job in jobs.items():
        if unknown := set(job) - JOB_KEYS | set(job.get("strategy", {})) - STRATEGY_KEYS:
            raise Refused(f"job {name}: {', '.join(sorted(unknown))}")
    return jobs, {key: str(about.get("default", "")) for key, about in inputs.items()}


def needs(job):
    wanted = job.get("needs", [])
    return [wanted] if isinstance(wanted, str) else wanted


def in_order(jobs):
    """Names of jobs, each after those it needs."""
    ordered = []
    while len(ordered) < len(jobs):
        ready = [name for name, job in jobs.items() if name not in ordered and set(needs(job)) <= set(ordered)]
        if not ready:
            raise Refused("the jobs need each other in a circle, or one that is not there")
        ordered += ready
    return ordered


class Gate:
    """What a job's own keys can see: its `if`, matrix and name."""

    def __init__(self, inputs, context, failed):
        self.inputs, self.context, self.failed = inputs, context, failed

    lookup, call, text, wanted = Job.lookup, Job.call, Job.text, Job.wanted
    workspace = action_path = "nowhere"
    env, outputs = {}, {}


def known_of(job, done):
    """What expressions of a job see of those it needs, and whether one of these failed."""
    known, failed = {}, False
    for name in needs(job):
        result, outputs = done[name]
        known[f"needs.{name}.result"] = result
        known.update({f"needs.{name}.outputs.{key}": value for key, value in outputs.items()})
        failed |= result != "success"
    return known, failed


def matrix_of(job, gate):
    """The jobs of a matrix: the values of each, by name; one without any if there is no matrix."""
    matrix = job.get("strategy", {}).get("matrix")
    if matrix is None:
        return [{}]
    if isinstance(matrix, str):
        found = re.fullmatch(r"\$\{\{(.*)\}\}", matrix.strip())
        matrix = Expression(found[1], gate).value() if found else None
    if not isinstance(matrix, dict) or set(matrix) != {"include"}:
        raise Refused("strategy: a matrix other than `include` is not known here")
    return matrix["include"]


def run_all(jobs, inputs, args):
    """All jobs; those that one needs are before it."""
    done, good = {}, True
    shutil.rmtree(WORK / "artifacts", ignore_errors=True)
    for name in in_order(jobs):
        job = jobs[name]
        known, failed = known_of(job, done)
        gate = Gate(inputs, known, failed)
        if not gate.wanted(job):
            print(f"==> job {name}: skipped")
            done[name] = ("skipped", {})
            continue
        outputs, passed, members = {}, True, matrix_of(job, gate)
        for index, member in enumerate(members):
            context = {**known, **{f"matrix.{key}": value for key, value in member.items()}}
            context.update({"strategy.job-index": index, "strategy.job-total": len(members)})
            print(f"==> job {name}: {Gate(inputs, context, failed).text(job.get('name', name))}", flush=True)
            ran, made = run_job(job, inputs, context, args)
            passed &= ran
            outputs.update(made)
        done[name] = ("success" if passed else "failure", outputs)
        good &= passed
    return good


def run_job(job, inputs, context, args):
    """One job in a root of its own: whether it passed, and its outputs."""
    if roots("bare_root", args.suite, PACKAGES) != 0:
        raise Refused("no bare root could be made")
    root = WORK / f"root-{args.suite}"
    made = Job(root, dict(inputs), context)
    # The root sees this machine's devices; a step may change who can use them (scripts/kvm.sh), and that must not stay.
    modes = {path: os.stat(path).st_mode & 0o7777 for path in ["/dev/kvm"] if os.path.exists(path)}
    try:
        for number, step in enumerate(job["steps"]):
            made.step(step, str(number))
            if str(step.get("uses", "")).startswith("actions/checkout@") and "path" not in step.get("with", {}):
                place(args.files, made)
        if not made.failed:
            made.keep()
        summary = made.real(made.files) / "step_summary"
        if summary.exists():
            print(f"==> summary\n{summary.read_text()}")
        outputs = {name: made.text(value) for name, value in job.get("outputs", {}).items()}
    finally:
        for path, mode in modes.items():
            os.chmod(path, mode)
        if not args.keep:
            shutil.rmtree(root, ignore_errors=True)
    print(f"\n{'step':50} {'result':8} {'seconds':>8}")
    for name, result, seconds in made.rows:
        print(f"{name[:50]:50} {result:8} {seconds:8.1f}")
    return not made.failed, outputs


def place(files, job):
    """Puts files beside what was checked out."""
    for file in files:
        target = job.real(job.workspace)
        shutil.copy2(file, target)
        job.own(target / pathlib.Path(file).name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("job")
    parser.add_argument("--suite", default="bookworm", help="Debian release of the root")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--file", action="append", default=[], metavar="PATH", dest="files", help="put it into the workspace after the checkout")
    parser.add_argument("--keep", action="store_true", help="keep the root")
    args = parser.parse_args()
    try:
        jobs, inputs = read(args.file)
        if args.job != "all" and args.job not in jobs:
            raise Refused(f"{args.file} has no job {args.job}; it has {', '.join(jobs)}")
        for text in args.input:
            name, _, value = text.partition("=")
            if name not in inputs:
                raise Refused(f"--input {name}: the file has no such input")
            inputs[name] = value
        if os.getuid() != 0:
            raise Refused("this makes a machine of its own, and needs root for it")
        WORK.mkdir(parents=True, exist_ok=True)
        good = run_all(jobs, inputs, args) if args.job == "all" else run_job(jobs[args.job], inputs, {}, args)[0]
        return 0 if good else 1
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
