#!/bin/sh
# Fuzzes everything that reads untrusted data (fuzz/README.md). SECONDS for each target (20), TARGETS (all), JOBS at a time (2).
# New inputs are kept in fuzz/work, inputs that break a promise in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/../fuzz"
: "${CARGO:=../scripts/cargo}"
seconds=${1:-20}
jobs=${JOBS:-2}
say() { sh ../scripts/say.sh "$@"; }

# What libFuzzer needs to see: the pass is LLVM's own, and a stable compiler takes it. Checks of arithmetic are on.
passes="-Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    passes="$passes -Cllvm-args=-sanitizer-coverage-$option"
done
say "building the fuzz targets"
RUSTFLAGS="--cfg fuzzing $passes" "$CARGO" build --profile fuzz --quiet --locked -p futon-fuzz --target-dir target
program=$(find target -path '*/fuzz/fuzz' -type f | head -n 1)

targets=${TARGETS:-$("$program" 2>/dev/null || true)}
mkdir -p work artifacts
rm -f work/failed
# In memory where the system has a place for that: targets make thousands of small files a second.
FUTON_FUZZ_SCRATCH=$(mktemp -d /dev/shm/futon-fuzz.XXXXXX 2>/dev/null || mktemp -d)
export FUTON_FUZZ_SCRATCH
trap 'rm -rf "$FUTON_FUZZ_SCRATCH"' EXIT
trap 'exit 130' INT TERM
echo "$targets" >work/targets

# one TARGET: the seeds and what was found before, then new inputs for a while.
one() {
    target=$1
    mkdir -p "work/$target" "corpus/$target"
    set -- "work/$target" "corpus/$target" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=2048 -max_len=65536
    [ -f "dictionaries/$target" ] && set -- "$@" -dict="dictionaries/$target"
    if FUTON_FUZZ_TARGET=$target FUTON_FUZZ_SEEDS="work/$target" "$program" "$@" \
        -artifact_prefix="artifacts/$target-" -print_final_stats=1 >"work/$target.log" 2>&1; then
        inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "work/$target.log")
        printf '  %-14s %10s inputs\n' "$target" "$inputs" >&2
    else
        echo "$target" >>work/failed
        printf '  %-14s a promise is broken:\n' "$target" >&2
        grep -a -m 4 -E 'panicked at|ERROR: libFuzzer|^assertion|  (left|right):|Test unit written' "work/$target.log" >&2 || true
    fi
}

say "fuzzing, $seconds s for each target, $jobs at a time"
running=0
for target in $targets; do
    one "$target" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
        wait
        running=0
    fi
done
wait
if [ -s work/failed ]; then
    echo "error: broken by: $(tr '\n' ' ' <work/failed)" >&2
    echo "hint: the whole trace is in fuzz/work/TARGET.log, the input in fuzz/artifacts; once it is fixed, keep it in fuzz/corpus/TARGET" >&2
    exit 1
fi
