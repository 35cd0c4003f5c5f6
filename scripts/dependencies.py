#!/usr/bin/env python3
"""Checks each dependency of the workspace, by what `cargo metadata` says of it:

- its `rust-version` is not above the workspace's own;
- the crate that declares it names it in its code.

Licences, sources and duplicates are deny.toml's (scripts/licences.sh, cargo deny).
"""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def metadata(folder):
    cargo = os.environ.get("CARGO", str(ROOT / "scripts/cargo"))
    command = [cargo, "metadata", "--format-version", "1", "--locked"]
    return json.loads(subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE).stdout)


def version(text):
    """A `rust-version`: two or three numbers."""
    numbers = [int(part) for part in text.split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


def too_new(packages, own):
    """Dependencies that want a newer Rust than the workspace promises to build with."""
    for package in packages:
        wanted = package.get("rust_version")
        if wanted and version(wanted) > version(own):
            yield f"{package['name']} {package['version']} wants Rust {wanted}, and the workspace promises {own}"


def library_names(packages):
    """The name that code uses for each package: that of its library."""
    names = {}
    for package in packages:
        for target in package["targets"]:
            if {"lib", "proc-macro", "rlib"} & set(target["kind"]):
                names[package["name"]] = target["name"].replace("-", "_")
    return names


def code_of(folder):
    """All of a crate's code without its comments, where a name proves nothing."""
    paths = [path for path in folder.rglob("*.rs") if "target" not in path.parts]
    text = [path.read_text() for path in paths]
    # Tests may share a module of another crate.
    for path, code in zip(paths, list(text)):
        for shared in re.findall(r'#\[path = "([^"]+)"\]', code):
            module = (path.parent / shared).resolve()
            siblings = module.parent.glob("*.rs") if module.name == "mod.rs" else [module]
            text += [file.read_text() for file in siblings if file.is_file()]
    return re.sub(r"^\s*//.*$", "", "\n".join(text), flags=re.MULTILINE)


def unused(members, names):
    """Dependencies that no code of their crate names."""
    for member in members:
        code = code_of(pathlib.Path(member["manifest_path"]).parent)
        for dependency in member["dependencies"]:
            name = dependency.get("rename") or names.get(dependency["name"], dependency["name"])
            name = name.replace("-", "_")
            # In a path, a `use`, or a string such as that of `#[serde(with = "humantime_serde")]`.
            used = rf"(?<![:\w])(::)?{name}::|\b(use|extern crate) (::)?{name}\b|\"{name}\b|[{{,]\s*{name}\s*(::|,|}}| as )"
            if not re.search(used, code):
                yield f"{member['name']} declares {dependency['name']} and does not use it"


def main():
    problems = []
    for folder in [ROOT, ROOT / "fuzz"]:
        found = metadata(folder)
        ids = set(found["workspace_members"])
        members = [package for package in found["packages"] if package["id"] in ids]
        own = next((member["rust_version"] for member in members if member["rust_version"]), None)
        if own:
            problems += too_new(found["packages"], own)
        problems += unused(members, library_names(found["packages"]))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
