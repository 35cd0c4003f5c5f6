#!/bin/sh
# Prepares a function in QEMU for gem5 again and again, and counts the states it comes to: one is right. gem5 is a script that plays a
# recording, so it needs no gem5. Let other work run beside it: a race shows under load.
# usage: sh bench/stages.sh [N] [ARGUMENT…]     default: 20 --base docker fibonacci-go
set -eu
cd "$(dirname "$0")/.."
futon=${FUTON:-$PWD/target/x86_64-unknown-linux-gnu/release/futon}
given=${RESOURCES:-$PWD/resources}
count=${1:-20}
[ $# -eq 0 ] || shift
[ $# -ne 0 ] || set -- --base docker fibonacci-go
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$room/resources/checkpoints"
for file in "$given"/*; do
    [ "${file##*/}" = checkpoints ] || ln -s "$file" "$room/resources/"
done
export RESOURCES="$room/resources" GEM5="$PWD/crates/futon/tests/gem5/fake.sh"
export FAKE_TEMPLATE="$PWD/crates/qemu-to-gem5/tests/recorded/gem5-24.0.cpt"
number=0
while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    "$futon" test --on gem5 --cpu o3 --boot-machine qemu --sim-seed 7 --software-warmup 5 --out "$room/out" "$@" \
        >"$room/said" 2>&1 || { cat "$room/said" >&2; exit 1; }
    for checkpoint in "$RESOURCES"/checkpoints/*/; do
        # A function's, not the template or the base.
        if grep -q '"payload"' "${checkpoint}futon.json"; then
            # Processors, devices and the time; memory is in futon.json by its digests.
            state=$(sed -n '/"files"/,/}/p' "${checkpoint}futon.json" | cat - "${checkpoint}m5.cpt" | sha256sum | cut -c1-12)
            rm -rf "$checkpoint"
            echo "$state" | tee -a "$room/states"
        fi
    done
done
echo "==> $(sort -u "$room/states" | wc -l) state(s) in $(wc -l <"$room/states") stages"
