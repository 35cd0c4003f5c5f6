#!/usr/bin/env python3
"""Tests of scripts/workflow.py that need no root: expressions, conditions, and that each workflow can be read."""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import workflow  # noqa: E402


def job():
    root = pathlib.Path(tempfile.mkdtemp())
    (root / "home/me/futon").mkdir(parents=True)
    made = workflow.Job(root, {"name": "fn", "empty": ""})
    made.outputs["test"] = {"status": "1"}
    return made


def refused(act):
    try:
        act()
    except workflow.Refused:
        return True
    return False


def main():
    made = job()
    for text, value in [
        ("inputs.name == 'fn' && inputs.empty == ''", True),
        ("inputs.name != 'fn' || !(1 == 2)", True),
        ("format('{0}/x-{1}', inputs.name, 'it''s')", "fn/x-it's"),
        ("steps.test.outputs.status", "1"),
        ("steps.none.outputs.status", ""),
        ("always() && inputs.empty != ''", False),
    ]:
        assert workflow.Expression(text, made).value() == value, text
    for text in ["github.token", "toJSON(inputs)", "inputs.other", "1 +", "'a' 'b'", "(true"]:
        assert refused(lambda: workflow.Expression(text, made).value()), text
    assert made.text("a ${{ inputs.name }} ${{ 1 == 1 }}") == "a fn true"
    made.failed = True
    assert not made.wanted({}) and not made.wanted({"if": "inputs.name == 'fn'"})
    assert made.wanted({"if": "always()"}) and made.wanted({"if": "${{ failure() }}"})
    assert workflow.assignments("a=1=2\nb<<END\nx\ny\nEND\n") == {"a": "1=2", "b": "x\ny"}
    for step in [{"uses": "someone/else@v1"}, {"uses": "actions/cache@v3"}, {"uses": "actions/checkout@v4", "with": {"token": "x"}}]:
        assert refused(lambda: made.used(step)), step
    assert refused(lambda: made.step({"run": "true", "continue-on-error": True}, "0"))
    for file in sorted((HERE.parent / ".github/workflows").glob("*.yml")):
        for name in workflow.yaml.safe_load(file.read_text())["jobs"]:
            steps, _ = workflow.job_of(file, name)
            assert steps and not any(set(step) - workflow.STEP_KEYS for step in steps), (file, name)
    print("workflow.py: ok")


if __name__ == "__main__":
    main()
