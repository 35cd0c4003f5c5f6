#!/bin/sh
# Formatting, clippy, shellcheck, licences of dependencies.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-scripts/cargo}
"$cargo" fmt --all --check
"$cargo" clippy --release --locked --workspace --all-targets -- -D warnings
if command -v shellcheck >/dev/null; then
    git ls-files '*.sh' .ci/run scripts/cargo | xargs -r shellcheck
else
    echo "note: shellcheck is not installed, scripts are not checked" >&2
fi
sh scripts/licences.sh
