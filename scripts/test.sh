#!/bin/sh
# All tests: lint, unit tests, whole runs on the fake machine, then real virtual machines. At the end a table says what
# ran, what did not and why, and what failed. Only lint and build errors end the tests early. If this
# host could have run a test and did not, that is a failure, too.
set -eu
cd "$(dirname "$0")/.."
say() { sh scripts/say.sh "$@"; }
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
: "${CARGO:=$PWD/scripts/cargo}"
export PATH CARGO
logs=target/test-logs
rm -rf "$logs"
mkdir -p "$logs"
# shellcheck source=scripts/ledger.sh
. scripts/ledger.sh
trap print_table EXIT

doing=lint
say "lint"
sh scripts/lint.sh
row lint - - -
command -v shellcheck >/dev/null || row shellcheck - - 1 "shellcheck is not installed"
doing="test of this table"
sh scripts/test_ledger.sh
doing=

# Always `--workspace`, which decides the features of all crates: what one suite has built serves the next.
main_suite "without virtual machines" plain --workspace

reason="needs skopeo: make test runs it"
if command -v skopeo >/dev/null; then
    ignored_suite "with skopeo" skopeo "$reason" --workspace -- --ignored skopeo_
else
    left_out "with skopeo" "$reason" "skopeo is not installed"
fi

if command -v python3 >/dev/null; then
    say "gem5 configuration, without a simulator"
    step "gem5 configuration" python3 gem5/test_config.py
else
    row "gem5 configuration" - - 1 "python3 is not installed"
fi

if command -v c++ >/dev/null; then
    rm -f fuzz/work/targets fuzz/work/failed
    targets=- broken=0
    if ! sh scripts/fuzz.sh "${FUZZ_SECONDS:-20}"; then
        fault "fuzz targets"
        broken=failed
        [ ! -s fuzz/work/failed ] || broken=$(wc -l <fuzz/work/failed)
    fi
    [ ! -s fuzz/work/targets ] || targets=$(wc -w <fuzz/work/targets)
    row "fuzz targets" "$targets" "$broken" 0
else
    row "fuzz targets" - - 1 "c++ is not installed: libFuzzer cannot be built"
fi

say "sample functions against their test vectors"
step "sample functions" sh functions/test/check.sh --work resources/.work/functions --out resources/.work/layouts

ignored_suite "as the engine" engine "asks the engine in a virtual machine: make test runs it" --workspace --test compose --test trees -- --ignored --test-threads=1 written_ crafted_
left_out "as the engine, generated" "takes long: make differential runs it" "make differential runs it"

ignored_suite "virtual machines" qemu "needs virtual machines: make test runs it" --workspace --test qemu -- --ignored --test-threads=2
if [ -s "$logs/vm-times" ]; then
    say "the slowest of them"
    sort -rn "$logs/vm-times" | head -n 15 >&2
fi

reason="needs Slurm: make test runs it"
if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
    left_out "Slurm" "$reason" "slurm-wlm or munge is not installed"
elif [ "$(id -u)" != 0 ]; then
    left_out "Slurm" "$reason" "slurmd starts only as root"
else
    ignored_suite "Slurm" slurm "$reason" --workspace --test slurm -- --ignored --test-threads=1 slurm_ a_preempted_ what_is_in_ without_the_
fi
left_out "Slurm, killed at random" "kills Slurm's daemons at random moments: bench/sweep.sh runs it" "bench/sweep.sh runs it"

reason="needs a gem5: set GEM5, and make test runs it"
if [ -f "${GEM5:-resources/gem5}" ]; then
    ignored_suite "gem5" gem5 "$reason" --workspace --test gem5 -- --ignored --test-threads=1
else
    left_out "gem5" "$reason" "GEM5 names no simulator"
fi
nothing_forgotten
