#!/bin/sh
# Everything that must hold: lint, unit tests, the engine on the fake machine, then real virtual machines.
set -eu
cd "$(dirname "$0")/.."
say() { sh scripts/say.sh "$@"; }
say "lint"
sh scripts/lint.sh
say "tests without virtual machines"
cargo test --release --locked --workspace
if command -v python3 >/dev/null; then
    say "gem5 configuration, without a simulator"
    python3 gem5/test_config.py
else
    echo "note: python3 is not installed, the gem5 configuration is not tested" >&2
fi
say "sample functions against their test vectors"
sh functions/test/check.sh --work resources/.work/functions --out resources/.work/layouts
say "tests in real virtual machines"
FUTON_TEST_QEMU=1 cargo test --release --locked -p futon --test qemu -- --test-threads=2
