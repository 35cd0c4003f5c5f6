#!/bin/sh
# Twenty-one moved states, nine functions after different numbers of calls: QEMU and gem5 go on from each (lockstep.py compare).
# usage: GEM5=/path/to/gem5.opt sh bench/lockstep/points.sh FOLDER      INSTS=100000 as many instructions from each
# gem5.fast leaves out a line that its debugger needs (an assertion with an effect); gem5.opt has it.
set -eu
cd "$(dirname "$0")/../.."
futon=${FUTON:-$PWD/target/x86_64-unknown-linux-gnu/release/futon}
out=$1
cargo build --release --locked --quiet -p qemu-to-gem5 --examples --target x86_64-unknown-linux-gnu
runs=''
for function in fibonacci-go aes-go auth-go fibonacci-python aes-python auth-python fibonacci-nodejs aes-nodejs auth-nodejs; do
    case $function in
    *-go) counts='1 20 33' ;;
    *) counts='3 20' ;;
    esac
    for calls in $counts; do
        "$futon" --quiet setup $function --functions functions/functions.yaml --on gem5 --cpu o3 --system skylake --vcpus 1 \
            --software-warmup "$calls" --out "$out/$calls"
        # The checkpoints of twelve functions are kept, no more: each is compared at once.
        python3 bench/lockstep/lockstep.py compare "$out/$calls/$function" --insts "${INSTS:-100000}" || runs="$runs $function/$calls"
    done
done
[ -z "$runs" ] || { echo "not the same:$runs" >&2; exit 1; }
