"""What CI scripts share: the reports in a folder of runs, which results come first, and text of guests made harmless."""
import json
import pathlib

# Those that did not pass come first, the worst of them before the others.
ORDER = {"infra": 0, "failed": 1, "timed_out": 1, "crashed": 1, "not_run": 2, "passed": 4}


def reports(folder):
    """The reports in a folder, each with its path. What is below a report belongs to it: its functions' logs, or the runs it was merged from."""
    folder = pathlib.Path(folder)
    path = folder / "report.json"
    if path.is_file():
        yield path, json.loads(path.read_text())
    elif folder.is_dir():
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink() and entry.name != "results":
                yield from reports(entry)


def flaky(function):
    return function["verdict"]["outcome"] == "passed" and function.get("attempts", 1) > 1


def passed(function):
    return function["verdict"]["outcome"] == "passed"


def failures_first(functions):
    """In their order, but those that did not pass first, then the flaky ones."""
    return sorted(functions, key=lambda f: 3 if flaky(f) else ORDER.get(f["verdict"]["outcome"], 1))


def plain(text, most=300):
    """One line of printable characters. A guest's text must not move a cursor, nor begin a line of its own."""
    text = "".join(c if c.isprintable() else " " for c in str(text))
    return text if len(text) <= most else text[:most] + "…"


def said(function):
    """How a function ended, in words: its outcome and the step that decided."""
    verdict = function["verdict"]
    step = f" in {verdict['step']}" if verdict.get("step") else ""
    return f"{verdict['outcome']}{step}"
