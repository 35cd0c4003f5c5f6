#!/usr/bin/env python3
"""Tests of scripts/workflow.py that need no root: expressions, conditions, and that each workflow can be read."""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import expressions  # noqa: E402
import workflow  # noqa: E402
import workflow_job  # noqa: E402


def job(context=None):
    root = pathlib.Path(tempfile.mkdtemp())
    (root / "home/me/futon").mkdir(parents=True)
    made = workflow.Job(root, {"name": "fn", "empty": ""}, context)
    made.outputs["test"] = {"status": "1"}
    made.own = lambda path: None
    return made


def refused(act):
    try:
        act()
    except expressions.Refused:
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
        assert expressions.Expression(text, made).value() == value, text
    for text in ["github.token", "toJSON(inputs)", "inputs.other", "1 +", "'a' 'b'", "(true"]:
        assert refused(lambda: expressions.Expression(text, made).value()), text
    assert made.text("a ${{ inputs.name }} ${{ 1 == 1 }}") == "a fn true"
    made.failed = True
    assert not made.wanted({}) and not made.wanted({"if": "inputs.name == 'fn'"})
    assert made.wanted({"if": "always()"}) and made.wanted({"if": "${{ failure() }}"})
    assert workflow_job.assignments("a=1=2\nb<<END\nx\ny\nEND\n") == {"a": "1=2", "b": "x\ny"}
    for step in [{"uses": "someone/else@v1"}, {"uses": "actions/cache@v3"}, {"uses": "actions/checkout@v4", "with": {"token": "x"}}]:
        assert refused(lambda: made.used(step)), step
    assert refused(lambda: made.step({"run": "true", "continue-on-error": True}, "0"))
    for file in sorted((HERE.parent / ".github/workflows").glob("*.yml")):
        for name, described in workflow.read(file)[0].items():
            steps = described["steps"]
            assert steps and not any(set(step) - workflow_job.STEP_KEYS for step in steps), (file, name)
        workflow.in_order(workflow.read(file)[0])
    test_context()
    test_artifacts()
    test_matrix()
    test_outputs_of_an_action()
    test_jobs_and_what_is_between_them()
    print("workflow.py: ok")


def test_context():
    made = job({"needs.plan.result": "success", "needs.plan.outputs.matrix": "x", "matrix.shard": "1/4", "strategy.job-index": 3})
    for text, value in [
        ("needs.plan.outputs.matrix", "x"),
        ("needs.plan.outputs.none", ""),
        ("matrix.shard", "1/4"),
        ("matrix.none", ""),
        ("format('futon-shard-{0}', strategy.job-index)", "futon-shard-3"),
        ("inputs.name == 'fn' && matrix.shard || ''", "1/4"),
        ("!cancelled() && needs.plan.result == 'success'", True),
        ("fromJSON('{\"include\":[{\"a\":1}]}')", {"include": [{"a": 1}]}),
    ]:
        assert expressions.Expression(text, made).value() == value, text
    # Without such a job, nothing is guessed.
    for text in ["needs.plan.result", "matrix.shard", "strategy.job-index"]:
        assert refused(lambda: expressions.Expression(text, job()).value()), text


def test_artifacts():
    workflow_job.WORK = pathlib.Path(tempfile.mkdtemp())
    made = job()
    results = made.real(made.workspace) / "futon-results"
    for name in ["one", "two"]:
        (results / "fn/results").mkdir(parents=True, exist_ok=True)
        (results / "report.json").write_text(name)
        (results / ".futon-lock").write_text("")
        assert made.used({"uses": "actions/upload-artifact@v4", "with": {"name": f"shard-{name}", "path": "futon-results", "overwrite": True}})
    (results / "report.json").unlink()
    assert made.used({"uses": "actions/download-artifact@v4", "with": {"pattern": "shard-*", "path": "futon-results/shards"}})
    shards = results / "shards"
    assert sorted(p.name for p in shards.iterdir()) == ["shard-one", "shard-two"]
    assert [(shards / f"shard-{name}/report.json").read_text() for name in ["one", "two"]] == ["one", "two"]
    assert (shards / "shard-one/fn/results").is_dir() and not (shards / "shard-one/.futon-lock").exists()
    assert made.used({"uses": "actions/download-artifact@v4", "with": {"name": "shard-two"}})
    assert (made.real(made.workspace) / "report.json").read_text() == "two"
    assert not made.used({"uses": "actions/download-artifact@v4", "with": {"name": "none"}})
    assert refused(lambda: made.used({"uses": "actions/download-artifact@v4", "with": {"path": "x"}}))
    assert refused(lambda: made.used({"uses": "actions/download-artifact@v4", "with": {"name": "x", "merge-multiple": True}}))


def test_matrix():
    gate = workflow.Gate({}, {"needs.plan.outputs.matrix": '{"include": [{"shard": "1/2"}, {"shard": "2/2"}]}'}, False)
    both = [{"shard": "1/2"}, {"shard": "2/2"}]
    assert workflow.matrix_of({"strategy": {"matrix": "${{ fromJSON(needs.plan.outputs.matrix) }}"}}, gate) == both
    assert workflow.matrix_of({"strategy": {"matrix": {"include": both}}}, gate) == both
    assert workflow.matrix_of({}, gate) == [{}]
    for matrix in [{"os": ["a", "b"]}, "x", {"include": both, "os": ["a"]}]:
        assert refused(lambda: workflow.matrix_of({"strategy": {"matrix": matrix}}, gate)), matrix


def test_outputs_of_an_action():
    made = job()
    (made.real(made.workspace) / "action.yml").write_text("""
inputs: {name: {default: x}}
outputs: {status: {value: "${{ steps.inner.outputs.status || steps.none.outputs.status }}"}}
runs: {using: composite, steps: [{id: inner, shell: bash, run: "true"}]}
""")

    def ran(step, _number):
        made.outputs[step["id"]] = {"status": "7"}
        return True

    made.ran = ran
    assert made.used({"uses": "./.", "id": "futon", "with": {"name": "y"}})
    # Only what the action declares is seen outside of it.
    assert made.outputs == {"test": {"status": "1"}, "futon": {"status": "7"}}, made.outputs


def test_jobs_and_what_is_between_them():
    ran = []

    def run_job(described, _inputs, context, _args):
        name = described["name"]
        ran.append((name, context.get("matrix.shard"), context.get("strategy.job-index")))
        outputs = {"matrix": '{"include": [{"shard": "1/2"}, {"shard": "2/2"}]}'} if name == "plan" else {}
        return context.get("matrix.shard", "") != broken, outputs

    workflow.run_job, kept = run_job, workflow.run_job
    workflow.WORK = pathlib.Path(tempfile.mkdtemp())
    jobs = {
        "merge": {"name": "merge", "needs": ["plan", "test"], "if": "${{ !cancelled() && needs.plan.result == 'success' }}", "steps": []},
        "after": {"name": "after", "needs": "merge", "steps": []},
        "lost": {"name": "lost", "needs": "test", "steps": []},
        "test": {"name": "test", "needs": "plan", "strategy": {"matrix": "${{ fromJSON(needs.plan.outputs.matrix) }}"}, "steps": []},
        "plan": {"name": "plan", "steps": []},
    }
    broken = None
    assert workflow.run_all(jobs, {}, None)
    both = [("test", "1/2", 0), ("test", "2/2", 1)]
    assert [name for name, *_ in ran] == ["plan", "test", "test", "merge", "lost", "after"] and ran[1:3] == both, ran
    # A job that fails takes those along that need it, but not one that runs whatever happens.
    broken = "2/2"
    ran.clear()
    assert not workflow.run_all(jobs, {}, None)
    assert [name for name, *_ in ran] == ["plan", "test", "test", "merge", "after"] and ran[1:3] == both, ran
    assert refused(lambda: workflow.in_order({"a": {"needs": "b"}, "b": {"needs": "a"}}))
    workflow.run_job = kept


if __name__ == "__main__":
    main()
