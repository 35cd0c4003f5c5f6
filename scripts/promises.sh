#!/bin/sh
# Each test that SECURITY.md names must exist, at the path and under the name that it gives.
set -eu
cd "$(dirname "$0")/.."
status=0
# shellcheck disable=SC2016 # the backquotes are Markdown's
tests=$(grep -o '`crates/[^`]*::[^`]*`' SECURITY.md | tr -d '`')
[ -n "$tests" ] || { echo 'error: SECURITY.md names no test' >&2; exit 1; }
for test in $tests; do
    path=${test%%::*} name=${test##*::}
    # A macro may make the function: then its name stands alone on a line.
    if ! grep -qsE "(fn |^ *)$name\b" "$path"; then
        printf 'error: SECURITY.md names %s in %s, but it does not exist\n' "$name" "$path" >&2
        found=$(grep -rlE --include='*.rs' "(fn |^ *)$name\b" crates || true)
        [ -z "$found" ] || printf 'hint: it is in %s\n' "$found" >&2
        status=1
    fi
done
exit $status
