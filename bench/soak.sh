#!/bin/sh
# Many forks in a row, then two at a time: all must pass, nothing may be left running, no file may leak, neither disk use nor memory may grow.
#
#   bench/soak.sh [IN_A_ROW [SIDE_BY_SIDE]]      default 200 50
set -eu
cd "$(dirname "$0")/.."
futon=target/x86_64-unknown-linux-gnu/release/futon
in_a_row=${1:-200} side_by_side=${2:-50}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# The machines that run alone and, on a host of two processors, those that run side by side.
$futon warm make
$futon warm make --vcpus 1
machines() { pgrep -fc "name futon-fibonacci-go .*$out" || true; }
used() { du -sm "$out" | cut -f1; }
# Files in memory (tmpfs, memfd) and processes' own pages, in MiB: what a leak would add to. The page cache is left out.
memory() { awk '/^(AnonPages|Shmem):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo; }
files() { find "$PWD/resources" "${TMPDIR:-/tmp}" -maxdepth 2 -name '*futon*' -o -path '*/warm/*' | wc -l; }
memory_before=$(memory) files_before=$(files)
i=0
while [ $i -lt "$in_a_row" ]; do
    i=$((i + 1))
    $futon -q test fibonacci-go -n 3 --out "$out/run" >"$out/log" 2>&1 || { cat "$out/log"; echo "fork $i did not pass"; exit 1; }
    [ "$(machines)" = 0 ] || { echo "fork $i left a machine behind"; exit 1; }
    [ "$(used)" -lt 50 ] || { echo "fork $i left $(used) MiB"; exit 1; }
    rm -rf "$out/run"
    [ $((i % 10)) != 0 ] || echo "$i forks passed, memory $(memory) MiB (at first $memory_before)"
done
i=0
while [ $i -lt "$side_by_side" ]; do
    i=$((i + 2))
    $futon -q test fibonacci-go aes-go -n 3 --jobs 2 --out "$out/run" >"$out/log" 2>&1 || { cat "$out/log"; echo "pair $i did not pass"; exit 1; }
    [ "$(machines)" = 0 ] || { echo "pair $i left a machine behind"; exit 1; }
    rm -rf "$out/run"
done
grown=$(($(memory) - memory_before))
echo "$in_a_row forks in a row and $side_by_side two at a time passed; memory grew by $grown MiB, files by $(($(files) - files_before))"
# Other programs' memory counts, too: the limit is that of a leak of 2 MiB a run.
[ $grown -lt $((2 * (in_a_row + side_by_side) + 64)) ] || { echo 'memory leaks'; exit 1; }
[ "$(files)" -le "$files_before" ] || { echo 'files leak'; exit 1; }
