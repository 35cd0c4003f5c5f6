#!/usr/bin/env python3
"""Tests of what CI jobs show: summary.py, annotate.py, reruns.py. No machine, no futon."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import annotate  # noqa: E402
import summary  # noqa: E402
from reports import reports  # noqa: E402

NASTY = "::error::pwned\n::set-output name=x::y\r\n##[add-matcher]x ::stop-commands::z | <script> `a` %0A::endgroup::"


def function(name, outcome="passed", why="all witnesses agree", **more):
    verdict = {"outcome": outcome, "step": None if outcome == "passed" else "invoke", "code": "x", "why": why}
    return {"name": name, "verdict": verdict, "attempts": 1, "duration_ms": 1234, "folder": f"/out/{name}/results", **more}


def report(functions):
    passed = sum(f["verdict"]["outcome"] == "passed" for f in functions)
    return {"summary": {"passed": passed, "total": len(functions)}, "duration_ms": 5000, "functions": functions}


def folder(functions, **others):
    made = pathlib.Path(tempfile.mkdtemp())
    (made / "report.json").write_text(json.dumps(report(functions)))
    for name, inner in others.items():
        (made / name).mkdir()
        (made / name / "report.json").write_text(json.dumps(report(inner)))
    return made


def run(script, *words):
    return subprocess.run([sys.executable, HERE / script, *map(str, words)], check=True, capture_output=True, text=True).stdout


def test_summary():
    text = run("summary.py", folder([function("a"), function("b", "failed", NASTY), function("c", attempts=2)], shards=[function("inner")]))
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| b", "| c", "| a"], text
    assert "### 2 of 3 functions passed" in text and "inner" not in text, text
    assert "<script>" not in text and "`a`" not in text and rows[0].count("|") == 6, text
    assert "No function was tested" in run("summary.py", tempfile.mkdtemp())
    refused = pathlib.Path(tempfile.mkdtemp()) / "said.txt"
    refused.write_text("error: these results do not make one suite; one problem:\n  shard 3/4 is missing: no result of a<b>\n")
    text = run("summary.py", folder([function("a")]), "--refused", refused)
    assert "do not make one suite" in text and "shard 3/4 is missing" in text and "<b>" not in text, text


def test_summary_is_below_the_limit():
    many = [function(f"passed-{n}", why="ä" * 400) for n in range(9000)] + [function(f"failed-{n}", "failed", "*" * 400) for n in range(50)]
    text = run("summary.py", folder(many))
    assert len(text.encode()) < 1 << 20, len(text.encode())
    assert all(f"failed-{n} |".replace("_", "&#95;") in text for n in range(50)), "failures are all there"
    shown = len(re.findall(r"^\| passed", text, re.M))
    assert f"no room here for {9000 - shown} that passed" in text, text[-300:]
    failures = [function(f"f{n}", "failed", "*" * 400) for n in range(9000)]
    text = run("summary.py", folder(failures))
    shown = len(re.findall(r"^\| f", text, re.M)) - 1
    assert len(text.encode()) < 1 << 20 and f"no room here for {9000 - shown} that did not pass" in text, text[-300:]
    # Several reports, as when a merge was refused.
    made = pathlib.Path(tempfile.mkdtemp())
    for n in range(4):
        (made / str(n)).mkdir()
        (made / str(n) / "report.json").write_text(json.dumps(report(failures)))
    assert len(run("summary.py", made).encode()) < 1 << 20


def commands(text):
    """What GitHub's runner would take as commands: V2 where a line begins, V1 anywhere, none while they are stopped."""
    stopped, found = None, []
    for line in text.splitlines():
        two = re.match(r"\s*::([\w-]+)(?: ([^:]*))?::(.*)", line)
        if stopped:
            stopped = None if two and two[1] == stopped else stopped
            continue
        if two and two[1] == "stop-commands":
            stopped = two[3]
        elif two:
            found.append((two[1], two[2] or "", two[3]))
        elif "##[" in line:
            found.append(("v1", "", line))
    assert stopped is None, "commands stay stopped"
    return found


def test_annotations():
    nasty = function("b", "failed", NASTY, container_tail=[NASTY, "::endgroup::"], console_tail=["##[error]x"])
    text = run("annotate.py", folder([function("a"), function("c", attempts=2), nasty, function("d", "not_run", "not yet")]))
    found = commands(text)
    assert [name for name, *_ in found] == ["error", "notice", "warning", "group", "endgroup"], found
    assert found[0][1] == "title=b%3A failed in invoke", found
    assert found[0][2].startswith("::error::pwned ::set-output") and "%250A" in found[0][2], found
    # Not even the viewer of logs takes a guest's line for one of its marks.
    assert not any(line.startswith("##[") for line in text.splitlines()), text
    assert "| " + "  ::endgroup::" in text, text


def test_annotations_are_as_many_as_github_shows():
    many = [function(f"f{n}", "failed", "x") for n in range(23)] + [function("flaky", attempts=2)]
    found = commands(run("annotate.py", folder(many)))
    notes = [command for command in found if command[0] != "group" and command[0] != "endgroup"]
    assert len(notes) == 10 and {name for name, *_ in notes} == {"error"}, notes
    assert notes[-1][2].startswith("15 more"), notes
    assert sum(name == "group" for name, *_ in found) == annotate.GROUPS
    assert len([c for c in commands(run("annotate.py", folder(many[:10]))) if c[0] == "error"]) == 10
    assert annotate.value("a:b,c%\r\n") == "a%3Ab%2Cc%25%0D%0A" and annotate.data("a:b,c%") == "a:b,c%25"


def test_reports_of_shards_are_read_where_there_is_no_merged_one():
    made = folder([], one=[function("a")], two=[function("b")])
    assert [path.parent for path, _ in reports(made)] == [made]
    (made / "report.json").unlink()
    assert [r["functions"][0]["name"] for _, r in reports(made)] == ["a", "b"]


def fake_futon(made, script):
    futon = made / "fake-futon"
    futon.write_text('#!/bin/sh\necho "$@" >> "$0.calls"\nfor target do :; done\n' + script)
    futon.chmod(0o755)
    return futon, lambda: (made / "fake-futon.calls").read_text().splitlines()


def test_reruns():
    some = [function("a", "failed"), function("b", "crashed"), function("c"), function("d", "not_run"), function("e", "infra", folder="")]
    made = folder(some)
    futon, calls = fake_futon(made, 'echo job > "$target"\n')
    text = run("reruns.py", futon, made, made / "reruns")
    assert [p.name for p in (made / "reruns").iterdir()] == ["failed.futon"], text
    assert calls() == [f"rerun {made} a b -o {made}/reruns/failed.futon"] and "::warning" not in text, (calls(), text)
    # One that cannot be run again costs only itself.
    made = folder(some + [function(f"g{n}", "failed") for n in range(3)])
    futon, calls = fake_futon(made, 'case "$*" in *" b "*) echo "comparing\nerror: no plan ::x" >&2; echo half > "$target"; exit 3 ;; esac\necho job > "$target"\n')
    text = run("reruns.py", futon, made, made / "reruns")
    assert sorted(p.name for p in (made / "reruns").iterdir()) == ["a.futon", "g0.futon"], text
    assert "::warning title=b%3A no job to run it again::error: no plan ::x" in text and len(calls()) == 4, text
    # Nothing failed: there is nothing to make.
    made = folder([function("a")])
    assert run("reruns.py", "/no/futon", made, made / "reruns") == "" and not (made / "reruns").exists()


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
    print("summary.py, annotate.py, reruns.py: ok")


if __name__ == "__main__":
    main()
