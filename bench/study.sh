#!/bin/sh
# A study of nine functions on gem5's O3 core: warm and lukewarm, each structure alone, interleaved; with intervals, on one page.
# An hour on two cores with nothing beside it. Needs GEM5 and the sample functions' images (`make images-all`).
# usage: sh bench/study.sh [FOLDER]     default: runs/study. What is there already is not measured again.
#        QUICK=1 sh bench/study.sh      three functions, two runs: ten minutes, to see that it works; its intervals say little
set -eu
cd "$(dirname "$0")/.."
futon=${FUTON:-$PWD/target/x86_64-unknown-linux-gnu/release/futon}
RESOURCES=${RESOURCES:-$PWD/resources}
export RESOURCES
out=${1:-runs/study}
if [ -z "${GEM5:-}" ] && [ ! -e "$RESOURCES/gem5" ]; then
    echo 'error: there is no gem5' >&2
    echo 'hint: GEM5=/path/to/gem5.fast make study; docs/gem5.md says how to get it' >&2
    exit 3
fi
mkdir -p "$out"
begun=$(date +%s)
folders=''

# measure NAME RUNS ARGUMENT…: runs that are complete are not made again.
measure() {
    name=$1 runs=$2
    shift 2
    folders="$folders $out/$name"
    if [ -f "$out/$name/measure.json" ]; then
        echo "==> $name: measured before"
        return
    fi
    echo "==> $name"
    # What an interrupted study has of it is kept.
    "$futon" measure --resume --system skylake --cpu o3 --functions functions/functions.yaml --runs "$runs" --out "$out/$name" "$@"
    echo "==> $name: $(($(date +%s) - begun)) s after the start"
}

if [ -n "${QUICK:-}" ]; then
    measure lukewarm 2 fibonacci-go aes-go auth-go --state warm,lukewarm -n 2 --uarch-warmup 2
    measure structures 2 fibonacci-go --state warm,lukewarm --flush l1i --flush llc --flush direction -n 2 --uarch-warmup 2
    measure interleaved-go 2 --interleave fibonacci-go,aes-go,auth-go --state warm -n 2 --uarch-warmup 2
else
    measure lukewarm 5 fibonacci-go fibonacci-python fibonacci-nodejs aes-go aes-python aes-nodejs auth-go auth-python auth-nodejs \
        --state warm,lukewarm -n 2 --uarch-warmup 2
    measure structures 5 fibonacci-go auth-go --state warm,lukewarm -n 2 --uarch-warmup 2 \
        --flush none --flush l1i --flush l1d --flush l2 --flush llc --flush itlb --flush dtlb --flush btb --flush direction,indirect
    measure interleaved-go 5 --interleave fibonacci-go,aes-go,auth-go --state warm -n 2 --uarch-warmup 2
    measure interleaved-python 5 --interleave fibonacci-python,aes-python,auth-python --state warm -n 2 --uarch-warmup 2
fi
# shellcheck disable=SC2086 # a list of folders
"$futon" stats study $folders -o "$out/study.html"
echo "==> $(($(date +%s) - begun)) s"
