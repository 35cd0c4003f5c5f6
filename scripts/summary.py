#!/usr/bin/env python3
"""Prints the reports (`report.json`) in a folder of runs as Markdown, for the summary of a CI job.

    summary.py FOLDER [--refused FILE]

GitHub drops a summary of more than 1 MiB: what did not pass comes first, and what there is no room for is counted. FILE is what `futon merge`
said when it refused.
"""
import argparse
import pathlib
import sys

from reports import failures_first, flaky, passed, plain, reports, said

MARK = {"passed": "✅", "not_run": "➖", "infra": "⚠️"}
# GitHub's limit is 1 MiB of a step's summary; something is left for the lines below tables.
LIMIT = 1_000_000


def cell(text, most=300):
    """Words of a guest are text, not markup."""
    text = plain(text, most)
    return "".join(f"&#{ord(c)};" if c in "\\`*_{}[]<>()#|~!&" else c for c in text)


def row(function):
    verdict = function["verdict"]
    attempts = f" (attempt {function['attempts']})" if function.get("attempts", 1) > 1 else ""
    return (
        f"| {cell(function['name'])} | {MARK.get(verdict['outcome'], '❌')} {cell(said(function))}{attempts} "
        f"| {function['duration_ms'] / 1000:.1f} s | {verdict['code']} | {cell(verdict['why'])} |\n"
    )


def left_out(functions):
    """What a summary that is full does not show."""
    words = []
    for what, chosen in [
        ("that did not pass", [f for f in functions if not passed(f)]),
        ("that passed", [f for f in functions if passed(f) and not flaky(f)]),
        ("that passed on a later attempt", [f for f in functions if flaky(f)]),
    ]:
        if chosen:
            words.append(f"{len(chosen)} {what}")
    return f"\nThere is no room here for {', and '.join(words)}: report.html in the artifact has all.\n"


def table(report, room):
    """One report, in at most so many bytes, but for the line about what is left out."""
    summary = report["summary"]
    text = f"### {summary['passed']} of {summary['total']} functions passed ({report['duration_ms'] / 1000:.0f} s)\n\n"
    if not report["functions"]:
        return text
    text += "| function | verdict | time | code | why |\n|---|---|---|---|---|\n"
    room -= len(text.encode())
    lines, functions = [], failures_first(report["functions"])
    for at, function in enumerate(functions):
        line = row(function)
        room -= len(line.encode())
        if room < 0:
            return text + "".join(lines) + left_out(functions[at:])
        lines.append(line)
    return text + "".join(lines)


def refusal(path):
    """Why the results of the shards are not one suite's."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()][:50]
    return "### The shards' results do not make one suite\n\n" + "".join(f"{cell(line, 1000)}<br>\n" for line in lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--refused", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    text = refusal(args.refused) if args.refused and args.refused.is_file() else ""
    found = list(reports(args.folder))
    if not found:
        text += "No function was tested: there is no report.\n"
    for at, (_, report) in enumerate(found):
        if len(text.encode()) > LIMIT:
            text += f"\nThere is no room here for {len(found) - at} more reports.\n"
            break
        text += table(report, LIMIT - len(text.encode())) + "\n"
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
