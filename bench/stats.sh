#!/bin/sh
# How fast stats.txt is read, and in how much memory: a file of SIZE bytes (default 1 GB), read RUNS times (default 3).
# Prints one line a run: bytes, seconds, MB/s, peak memory. The first run finds the file in the page cache, as a fresh stats.txt is.
set -eu
cd "$(dirname "$0")/.."
SIZE=${SIZE:-1000000000} RUNS=${RUNS:-3}
FUTON=target/x86_64-unknown-linux-gnu/release/futon
[ -x $FUTON ] || { echo "error: $FUTON is not built (hint: make programs)" >&2; exit 3; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/futon-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT INT TERM

# One dump of the kinds of lines that gem5 writes, about 1 MB; then as often as SIZE needs.
awk 'BEGIN {
    print "\n---------- Begin Simulation Statistics ----------"
    for (i = 0; i < 1500; i++) {
        printf "system.cpu%d.numCycles                       %12d                       # Number of cpu cycles simulated (Cycle)\n", i, i * 7919
        printf "system.cpu%d.cpi                             %12.6f                       # CPI: cycles per instruction (core level) ((Cycle/Count))\n", i, i / 7
        printf "system.cpu%d.dcache.demandMissRate::total    %12.6f                       # miss rate for demand accesses (Ratio)\n", i, i / 9999
        printf "system.cpu%d.commitStats0.committedInstType::IntAlu %12d     62.50%%     75.00%% # Class of committed instruction. (Count)\n", i, i * 31
        printf "system.cpu%d.lsq0.loadToUse::mean            %12s                       # Distribution of cycle latency (Unspecified)\n", i, i % 5 ? "3.25" : "nan"
        printf "system.cpu%d.hist                            |%12d     30.00%%     30.00%% |%12d     70.00%%    100.00%% # text (Count)\n", i, i, i * 2
    }
    print "\n---------- End Simulation Statistics   ----------"
}' >"$folder/dump"
size=$(wc -c <"$folder/dump")
count=$((SIZE / size + 1))
i=0
while [ $i -lt $count ]; do
    cat "$folder/dump"
    i=$((i + 1))
done >"$folder/stats.txt"

run=0
while [ $run -lt "$RUNS" ]; do
    start=$(date +%s%N)
    "$FUTON" stats check "$folder/stats.txt" >"$folder/said" &
    pid=$!
    peak=0
    while line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null); do
        kib=$(echo "$line" | tr -dc 0-9)
        peak=${kib:-$peak}
        sleep 0.05
    done
    wait $pid
    end=$(date +%s%N)
    bytes=$(wc -c <"$folder/stats.txt")
    echo "$bytes bytes in $(((end - start) / 1000000)) ms: $((bytes * 1000 / (end - start))) MB/s, peak memory $peak KiB; $(cat "$folder/said")"
    run=$((run + 1))
done
