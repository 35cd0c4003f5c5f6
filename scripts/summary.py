#!/usr/bin/env python3
"""Prints the reports (`report.json`) in a folder of runs as Markdown, for the summary of a CI job.

    summary.py FOLDER
"""
import json
import pathlib
import sys

MARK = {"passed": "✅", "not_run": "➖", "infra": "⚠️"}


def cell(text):
    """Words of a guest are text, not markup."""
    text = "".join(c if c.isprintable() else " " for c in str(text))
    for char in "\\`*_{}[]<>()#|~!&":
        text = text.replace(char, f"&#{ord(char)};")
    return text if len(text) <= 300 else text[:300] + "…"


def rows(report):
    for function in report["functions"]:
        verdict = function["verdict"]
        outcome = verdict["outcome"]
        step = f" in {verdict['step']}" if verdict.get("step") else ""
        flaky = f" (attempt {function['attempts']})" if function.get("attempts", 1) > 1 else ""
        yield (
            f"| {cell(function['name'])} | {MARK.get(outcome, '❌')} {outcome}{step}{flaky} "
            f"| {function['duration_ms'] / 1000:.1f} s | {verdict['code']} | {cell(verdict['why'])} |"
        )


def main():
    if len(sys.argv) != 2:
        print("usage: summary.py FOLDER", file=sys.stderr)
        return 2
    reports = sorted(path for path in pathlib.Path(sys.argv[1]).glob("**/report.json") if "results" not in path.parts)
    if not reports:
        print("No function was tested: there is no report.")
        return 0
    for path in reports:
        report = json.loads(path.read_text())
        summary = report["summary"]
        print(f"### {summary['passed']} of {summary['total']} functions passed ({report['duration_ms'] / 1000:.0f} s)\n")
        print("| function | verdict | time | code | why |\n|---|---|---|---|---|")
        print("\n".join(rows(report)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
