"""A job of a workflow in a bare Debian root: its steps, and stand-ins for those of others (`uses:`)."""
import functools
import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from expressions import Expression, Refused

try:
    import yaml
except ImportError:
    sys.exit("error: PyYAML is missing\nhint: apt-get install python3-yaml")

REPO = pathlib.Path(__file__).resolve().parent.parent
WORK = pathlib.Path(os.environ.get("WORKFLOW_WORK", REPO / "target/workflow"))
STEP_KEYS = {"name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory"}


@functools.cache
def commit():
    """The commit that is checked out here when it is first asked for."""
    command = ["git", "-C", str(REPO), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Job:
    def __init__(self, root, inputs, context=None):
        """`context` has values by their names in expressions: `needs.…`, `matrix.…`, `strategy.…`."""
        self.root, self.inputs, self.context = root, inputs, context or {}
        self.home = pathlib.Path("/home/me")
        self.workspace = self.home / "futon"
        self.action_path = self.workspace
        self.outputs, self.env, self.path, self.failed = {}, {}, [], False
        self.rows, self.after = [], []
        self.files = self.home / "runner"
        self.real(self.files).mkdir()
        self.real(self.workspace).mkdir(exist_ok=True)

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
        if name in self.context:
            return self.context[name]
        if re.match(r"(needs\.[\w-]+\.outputs|matrix)\.", name) and name.split(".")[0] in {key.split(".")[0] for key in self.context}:
            return ""
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
        if name == "fromJSON":
            return json.loads(arguments[0])
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
            "actions/upload-artifact": (self.upload, {"name", "path", "overwrite"}),
            "actions/download-artifact": (self.download, {"name", "pattern", "path"}),
        }
        known, version = name.split("@")[0], name.partition("@")[2]
        if name.startswith("./"):
            return self.action(step, name[2:], given)
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
        # All jobs of a workflow have one commit, whatever is committed meanwhile.
        subprocess.run(["git", "-C", str(target), "reset", "--quiet", "--hard", commit()], check=True)
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
        """Of a folder, what is in it; without hidden files, as GitHub does."""
        target = WORK / "artifacts" / given["name"]
        if target.exists() and given.get("overwrite") != "true":
            # There, an artifact cannot be uploaded twice. One of an earlier call of this script is none of this run's.
            print(f"artifact {given['name']}: replaced")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        found = glob.glob(str(self.real(self.workspace / given["path"])))
        for path in found:
            whole = f"{path}/." if len(found) == 1 and os.path.isdir(path) else path
            subprocess.run(["cp", "-a", whole, str(target)], check=True)
        subprocess.run(["find", str(target), "-mindepth", "1", "-name", ".*", "-delete"], check=True)
        print(f"artifact {given['name']}: {target}" if found else f"artifact {given['name']}: there is nothing")
        return True

    def download(self, _step, given):
        """One artifact into the folder, or each that the pattern matches into a folder with its name there."""
        if ("name" in given) == ("pattern" in given):
            raise Refused("download-artifact: either a name or a pattern is known here")
        target = self.real(self.workspace / given.get("path", "."))
        # The folders above it are the runner's, too.
        made = [folder for folder in [target, *target.parents] if not folder.exists()]
        target.mkdir(parents=True, exist_ok=True)
        if "name" in given:
            source = WORK / "artifacts" / given["name"]
            if not source.is_dir():
                print(f"there is no artifact {given['name']}")
                return False
            subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)
        else:
            for source in sorted((WORK / "artifacts").glob(given["pattern"])):
                subprocess.run(["cp", "-a", str(source), str(target)], check=True)
                print(f"artifact {source.name}")
        self.own(made[-1] if made else target)
        return True

    def action(self, step, folder, given):
        """A composite action of this repository: its steps, with its inputs."""
        path = self.workspace / folder
        described = yaml.safe_load((self.real(path) / "action.yml").read_text())
        inputs = {name: str(about.get("default", "")) for name, about in described["inputs"].items()}
        missing = [n for n, about in described["inputs"].items() if about.get("required") and n not in given]
        if unknown := (set(given) - set(inputs)) | set(missing):
            raise Refused(f"uses: {folder}: unknown or missing: {', '.join(sorted(unknown))}")
        outer = self.inputs, self.action_path, self.outputs
        self.inputs, self.action_path, self.outputs = {**inputs, **given}, path, {}
        for number, inner in enumerate(described["runs"]["steps"]):
            self.step(inner, f"{path.name}-{number}")
        declared = {name: self.text(about["value"]) for name, about in described.get("outputs", {}).items()}
        self.inputs, self.action_path, self.outputs = outer
        self.outputs[step.get("id", path.name)] = declared
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
