#!/usr/bin/env python3
"""Runs a job of a workflow file here: each `run:` step in order, as the file writes it, in a bare Debian root.

    workflow.py FILE JOB [--suite bookworm] [--input NAME=VALUE]… [--file PATH]… [--keep]

FILE is a workflow or an action.yml (JOB is then `action`). Steps of others (`uses:`) have stand-ins here, named below; what has none is
refused, and so are expressions and keys that this script does not know: it never guesses. What differs from a runner of GitHub's is said in
docs/ci.md. Needs root, mmdebstrap and PyYAML (python3-yaml). Works in WORKFLOW_WORK (default target/workflow); logs and artifacts stay there.
"""
import argparse
import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

try:
    import yaml
except ImportError:
    sys.exit("error: PyYAML is missing\nhint: apt-get install python3-yaml")

REPO = pathlib.Path(__file__).resolve().parent.parent
WORK = pathlib.Path(os.environ.get("WORKFLOW_WORK", REPO / "target/workflow"))
# What GitHub's Ubuntu has and a bare Debian has not; all else the workflow must bring.
PACKAGES = "git,make,ca-certificates,sudo,curl,python3"
STEP_KEYS = {"name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory"}
JOB_KEYS = {"runs-on", "timeout-minutes", "steps", "env", "permissions", "needs", "name"}


class Refused(Exception):
    """The file has something that is not known here."""


# ---- expressions: https://docs.github.com/actions/reference/evaluate-expressions-in-workflows-and-actions ----

TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\d+)|([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(==|!=|&&|\|\||[!(),]))")


class Expression:
    """One expression, by recursive descent: `||` binds least, then `&&`, `==` and `!=`, `!`."""

    def __init__(self, text, job):
        self.job, self.tokens, at = job, [], 0
        text = text.strip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise Refused(f"expression {text!r}")
            string, number, name, sign = found.groups()
            if string is not None:
                self.tokens.append(("value", string.replace("''", "'")))
            elif number:
                self.tokens.append(("value", int(number)))
            else:
                self.tokens.append(("name", name) if name else ("sign", sign))
            at = found.end()

    def value(self):
        result = self.either()
        if self.tokens:
            raise Refused(f"expression: what is {self.tokens[0][1]!r} for?")
        return result

    def take(self, *signs):
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def either(self):
        left = self.both()
        while self.take("||"):
            right = self.both()
            left = left or right
        return left

    def both(self):
        left = self.equal()
        while self.take("&&"):
            right = self.equal()
            left = left and right
        return left

    def equal(self):
        left = self.negated()
        while sign := self.take("==", "!="):
            left = (left == self.negated()) == (sign == "==")
        return left

    def negated(self):
        if self.take("!"):
            return not self.negated()
        if self.take("("):
            inner = self.either()
            if not self.take(")"):
                raise Refused("expression: a parenthesis is open")
            return inner
        if not self.tokens or self.tokens[0][0] == "sign":
            raise Refused("expression: a value is missing")
        kind, value = self.tokens.pop(0)
        if kind == "value" or value in ("true", "false"):
            return value == "true" if kind == "name" else value
        if not self.take("("):
            return self.job.lookup(value)
        arguments = []
        while not self.take(")"):
            arguments.append(self.either())
            self.take(",")
        return self.job.call(value, arguments)


# ---- a job ----


class Job:
    def __init__(self, root, inputs):
        self.root, self.inputs = root, inputs
        self.home = pathlib.Path("/home/me")
        self.workspace = self.home / "futon"
        self.action_path = self.workspace
        self.outputs, self.env, self.path, self.failed = {}, {}, [], False
        self.rows, self.after = [], []
        self.files = self.home / "runner"
        (self.real(self.files)).mkdir()

    def real(self, path):
        """A path in the root, as it is outside."""
        return self.root / str(path).lstrip("/")

    def lookup(self, name):
        known = {
            "github.ref": "refs/heads/main",
            "github.workspace": str(self.workspace),
            "github.action_path": str(self.action_path),
            "runner.os": "Linux",
            "runner.arch": "X64",
        }
        if name in known:
            return known[name]
        if name.startswith("inputs.") and name[7:] in self.inputs:
            return self.inputs[name[7:]]
        if name.startswith("env."):
            return self.env.get(name[4:], "")
        if found := re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", name):
            return self.outputs.get(found[1], {}).get(found[2], "")
        raise Refused(f"expression: {name} is not known here")

    def call(self, name, arguments):
        if name == "always":
            return True
        if name in ("success", "failure", "cancelled"):
            return {"success": not self.failed, "failure": self.failed, "cancelled": False}[name]
        if name == "format":
            return re.sub(r"\{(\d+)\}", lambda m: str(arguments[int(m[1]) + 1]), arguments[0])
        if name == "hashFiles":
            total = hashlib.sha256()
            for pattern in arguments:
                base = self.real(pattern) if pattern.startswith("/") else self.real(self.workspace) / pattern
                for path in sorted(glob.glob(str(base), recursive=True)):
                    if os.path.isfile(path):
                        total.update(hashlib.sha256(pathlib.Path(path).read_bytes()).digest())
            return total.hexdigest()
        raise Refused(f"expression: {name}() is not known here")

    def text(self, value):
        """A value of the file with its expressions evaluated."""

        def one(found):
            result = Expression(found[1], self).value()
            return {True: "true", False: "false"}.get(result, str(result)) if isinstance(result, bool) else str(result)

        return re.sub(r"\$\{\{(.*?)\}\}", one, str(value))

    def wanted(self, step):
        """Whether a step runs; without always() or failure() it does only while none has failed."""
        condition = str(step.get("if", "success()"))
        condition = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", condition)
        if not re.search(r"\b(always|failure|success|cancelled)\(", condition):
            condition = f"success() && ({condition})"
        return bool(Expression(condition, self).value())

    def step(self, step, number):
        if unknown := set(step) - STEP_KEYS:
            raise Refused(f"step {number}: {', '.join(sorted(unknown))}")
        name = self.text(step.get("name") or step.get("uses") or "run")
        if not self.wanted(step):
            self.rows.append((name, "skipped", 0.0))
            return
        print(f"==> {name}", flush=True)
        begin = time.time()
        good = self.used(step) if "uses" in step else self.ran(step, number)
        self.rows.append((name, "passed" if good else "failed", time.time() - begin))
        self.failed |= not good

    def ran(self, step, number):
        """A `run:` step, by the shell that GitHub takes."""
        shells = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], "sh": ["sh", "-e"]}
        if step.get("shell") not in shells:
            raise Refused(f"step {number}: shell {step['shell']}")
        given = {name: self.real(self.files) / f"{name.lower()}-{number}" for name in ("OUTPUT", "ENV", "PATH")}
        given["STEP_SUMMARY"] = self.real(self.files) / "step_summary"
        for file in given.values():
            file.touch()
            os.chmod(file, 0o666)
        script = self.real(self.files) / f"step-{number}.sh"
        script.write_text(self.text(step["run"]))
        inside = lambda path: "/" + str(path.relative_to(self.root))  # noqa: E731
        env = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTION_PATH": str(self.action_path),
            "HOME": str(self.home),
            "PATH": ":".join([*self.path, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]),
            **{f"GITHUB_{name}": inside(path) for name, path in given.items()},
            **self.env,
            **{name: self.text(value) for name, value in step.get("env", {}).items()},
        }
        folder = os.path.normpath(self.workspace / self.text(step.get("working-directory", ".")))
        words = [f"{name}={value}" for name, value in env.items()]
        code = enter(self.root, os.path.relpath(folder, self.home), [*words, *shells[step.get("shell")], inside(script)])
        outputs = self.outputs.setdefault(step.get("id", f"step-{number}"), {})
        outputs.update(assignments(given["OUTPUT"].read_text()))
        self.env.update(assignments(given["ENV"].read_text()))
        self.path = [line for line in given["PATH"].read_text().splitlines() if line][::-1] + self.path
        return code == 0

    def used(self, step):
        """A step of others, by its stand-in."""
        name, given = step["uses"], {key: self.text(value) for key, value in step.get("with", {}).items()}
        stand_ins = {
            "actions/checkout": (self.checkout, {"path", "repository", "ref"}),
            "actions/cache": (self.cache, {"path", "key"}),
            "actions/upload-artifact": (self.upload, {"name", "path"}),
        }
        known, version = name.split("@")[0], name.partition("@")[2]
        if name.startswith("./"):
            return self.action(name[2:], given)
        if known not in stand_ins or version != "v4":
            raise Refused(f"uses: {name} has no stand-in here")
        act, keys = stand_ins[known]
        if unknown := set(given) - keys:
            raise Refused(f"uses: {name} with {', '.join(sorted(unknown))}")
        return act(step, given)

    def checkout(self, _step, given):
        """The commit that is checked out here, whatever `repository` and `ref` say: this repository is what is tested."""
        target = self.real(self.workspace / given.get("path", "."))
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(REPO), str(target)], check=True)
        self.own(target)
        return True

    def cache(self, step, given):
        kept = WORK / "cache" / re.sub(r"\W", "_", given["key"])
        target = self.real(self.workspace / given["path"])
        hit = kept.exists()
        self.outputs[step.get("id", "cache")] = {"cache-hit": str(hit).lower()}
        if hit:
            shutil.copy2(kept, target)
            self.own(target)
        else:
            self.after.append((target, kept))
        return True

    def upload(self, _step, given):
        target = WORK / "artifacts" / given["name"]
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        found = glob.glob(str(self.real(self.workspace / given["path"])))
        for path in found:
            subprocess.run(["cp", "-a", path, str(target)], check=True)
        print(f"artifact {given['name']}: {target}" if found else f"artifact {given['name']}: there is nothing")
        return True

    def action(self, folder, given):
        """A composite action of this repository: its steps, with its inputs."""
        path = self.workspace / folder
        described = yaml.safe_load((self.real(path) / "action.yml").read_text())
        inputs = {name: str(about.get("default", "")) for name, about in described["inputs"].items()}
        missing = [n for n, about in described["inputs"].items() if about.get("required") and n not in given]
        if unknown := (set(given) - set(inputs)) | set(missing):
            raise Refused(f"uses: {folder}: unknown or missing: {', '.join(sorted(unknown))}")
        outer = self.inputs, self.action_path
        self.inputs, self.action_path = {**inputs, **given}, path
        for number, step in enumerate(described["runs"]["steps"]):
            self.step(step, f"{path.name}-{number}")
        self.inputs, self.action_path = outer
        return not self.failed

    def own(self, path):
        subprocess.run(["chroot", str(self.root), "chown", "-R", "me:", "/" + str(path.relative_to(self.root))], check=True)

    def keep(self):
        """What caches keep when a job has passed."""
        for source, kept in self.after:
            if source.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, kept)


def assignments(text):
    """NAME=VALUE lines, and values of several lines between NAME<<WORD and WORD."""
    result, lines = {}, iter(text.splitlines())
    for line in lines:
        if found := re.fullmatch(r"([^=<]+)<<(.+)", line):
            several = []
            for line in lines:
                if line == found[2]:
                    break
                several.append(line)
            result[found[1]] = "\n".join(several)
        elif "=" in line:
            name, value = line.split("=", 1)
            result[name] = value
        elif line.strip():
            raise Refused(f"a step wrote {line!r} into GITHUB_OUTPUT or GITHUB_ENV")
    return result


# ---- roots, by the same script as make fresh ----


def roots(command, *words):
    script = f'set -eu; images={REPO}/images work={WORK} keyring_copy=; . {REPO}/scripts/bareroot.sh; {command} "$@"'
    return subprocess.run(["sh", "-c", script, "roots", *map(str, words)]).returncode


def enter(root, folder, words):
    return roots("enter", root, "me", folder, *words)


def job_of(path, name):
    """The steps of a job, and the inputs it knows with their defaults."""
    described = yaml.safe_load(path.read_text())
    if "runs" in described:
        if name != "action":
            raise Refused(f"{path} is an action: its job is called `action`")
        inputs = {key: "" for key in described["inputs"]}
        given = {key: f"${{{{ inputs.{key} }}}}" for key in inputs}
        return [{"uses": "actions/checkout@v4"}, {"uses": "./.", "with": given}], inputs
    # YAML 1.1 reads the key `on` as true.
    inputs = ((described.get(True) or {}).get("workflow_call") or {}).get("inputs", {})
    if name not in described["jobs"]:
        raise Refused(f"{path} has no job {name}; it has {', '.join(described['jobs'])}")
    job = described["jobs"][name]
    if unknown := set(job) - JOB_KEYS:
        raise Refused(f"job {name}: {', '.join(sorted(unknown))}")
    return job["steps"], {key: str(about.get("default", "")) for key, about in inputs.items()}


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
        steps, inputs = job_of(args.file, args.job)
        for text in args.input:
            name, _, value = text.partition("=")
            if name not in inputs:
                raise Refused(f"--input {name}: the file has no such input")
            inputs[name] = value
        if os.getuid() != 0:
            raise Refused("this makes a machine of its own, and needs root for it")
        WORK.mkdir(parents=True, exist_ok=True)
        if roots("bare_root", args.suite, PACKAGES) != 0:
            raise Refused("no bare root could be made")
        root = WORK / f"root-{args.suite}"
        job = Job(root, inputs)
        # The root sees this machine's devices; a step may change who can use them (scripts/kvm.sh), and that must not stay.
        modes = {path: os.stat(path).st_mode & 0o7777 for path in ["/dev/kvm"] if os.path.exists(path)}
        try:
            for number, step in enumerate(steps):
                job.step(step, str(number))
                if number == 0 and args.files:
                    for file in args.files:
                        target = root / str(job.workspace).lstrip("/")
                        shutil.copy2(file, target)
                        job.own(target / pathlib.Path(file).name)
            if not job.failed:
                job.keep()
            summary = (root / str(job.files).lstrip("/")) / "step_summary"
            if summary.exists():
                print(f"==> summary\n{summary.read_text()}")
        finally:
            for path, mode in modes.items():
                os.chmod(path, mode)
            if not args.keep:
                shutil.rmtree(root, ignore_errors=True)
        print(f"\n{'step':50} {'result':8} {'seconds':>8}")
        for name, result, seconds in job.rows:
            print(f"{name[:50]:50} {result:8} {seconds:8.1f}")
        return 1 if job.failed else 0
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
