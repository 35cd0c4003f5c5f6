#!/bin/sh
# Formatting, clippy, shellcheck, dependencies, workflows.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-scripts/cargo}
has() { command -v "$1" >/dev/null; }
# skipped TOOL WHAT: reports a check that is left out.
skipped() { echo "note: $1 is not installed, $2" >&2; }

"$cargo" fmt --all --check
"$cargo" fmt --manifest-path functions/units-rust/Cargo.toml --check
# This includes clippy's incompatible_msrv, which refuses parts of the standard library that are newer than `rust-version`.
"$cargo" clippy --release --locked --workspace --all-targets -- -D warnings
if has shellcheck; then
    git ls-files '*.sh' .ci/run scripts/cargo | xargs -r shellcheck
else
    skipped shellcheck "scripts are not checked"
fi
if has actionlint; then actionlint; else skipped actionlint "workflows are not checked"; fi
if has python3 && python3 -c 'import yaml' 2>/dev/null; then
    python3 scripts/test_workflow.py
    python3 scripts/test_reports.py
else
    skipped python3-yaml "scripts/workflow.py and those of CI jobs are not tested"
fi
sh scripts/promises.sh
sh scripts/licences.sh
if has python3; then python3 scripts/dependencies.py; else skipped python3 "dependencies are not checked"; fi
if has cargo-deny; then
    # Advisories need the network: the nightly workflow reads them.
    "$cargo" deny --log-level error check bans licenses sources
else
    skipped cargo-deny "sources and duplicates of dependencies are not checked"
fi
