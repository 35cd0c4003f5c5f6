#!/usr/bin/env python3
"""Prints annotations and, for what did not pass, groups of log lines, as GitHub's runner reads them from a job's output.

    annotate.py FOLDER

FOLDER holds runs. GitHub shows 10 annotations of a step: what did not pass comes first, and the last one counts the rest. What a guest wrote
can be no command: commands are stopped while it is printed, and each line has something before it.
"""
import argparse
import pathlib
import secrets
import sys

from reports import failures_first, flaky, passed, plain, reports, said

ANNOTATIONS = 10
# Groups of log lines; report.html has all.
GROUPS = 20


def data(text):
    """The text of a command."""
    return str(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text):
    """The value of a command's property."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def annotation(level, title, text):
    return f"::{level} title={value(plain(title))}::{data(plain(text, 1000))}"


def noted(function):
    """The annotation of a function, if it is worth one."""
    verdict, name = function["verdict"], function["name"]
    if verdict["outcome"] == "not_run":
        return annotation("notice", f"{name}: not run", verdict["why"])
    if not passed(function):
        return annotation("error", f"{name}: {said(function)}", f"{verdict['why']} ({verdict['code']})")
    if flaky(function):
        return annotation("warning", f"{name}: flaky", f"it passed on attempt {function['attempts']}")
    return None


def annotations(functions):
    """As many as GitHub shows; the last one says how many there are beyond them."""
    lines = [line for line in map(noted, failures_first(functions)) if line]
    if len(lines) <= ANNOTATIONS:
        return lines
    rest = len(lines) - ANNOTATIONS + 1
    level = "error" if lines[ANNOTATIONS - 1].startswith("::error") else "warning"
    return lines[: ANNOTATIONS - 1] + [annotation(level, "and more", f"{rest} more: the summary and report.html have all")]


def group(function):
    """What is known of a function that did not pass, folded away."""
    verdict = function["verdict"]
    lines = [verdict["why"]] + ([f"hint: {verdict['hint']}"] if verdict.get("hint") else [])
    for title, key in [
        ("container.log around a possible crash", "container_crash"),
        ("last lines of container.log", "container_tail"),
        ("last lines of console.log", "console_tail"),
    ]:
        if function.get(key):
            lines += [f"{title}:"] + [f"  {line}" for line in function[key]]
    token = secrets.token_hex(16)
    yield f"::group::{data(plain(function['name'] + ': ' + said(function)))}"
    yield f"::stop-commands::{token}"
    # The viewer of logs has marks of its own (`##[…]`), which count where a line begins.
    yield from (f"| {plain(line, 2000)}" for line in lines)
    yield f"::{token}::"
    yield "::endgroup::"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    functions = [function for _, report in reports(args.folder) for function in report["functions"]]
    for line in annotations(functions):
        print(line)
    failures = [f for f in failures_first(functions) if not passed(f) and f["verdict"]["outcome"] != "not_run"]
    for function in failures[:GROUPS]:
        for line in group(function):
            print(line)
    if len(failures) > GROUPS:
        print(f"{len(failures) - GROUPS} more did not pass: report.html has their logs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
