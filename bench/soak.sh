#!/bin/sh
# Many forks in a row, then two at a time: all must pass, nothing may be left running, no file may leak, disk use must not grow.
#
#   bench/soak.sh [IN_A_ROW [SIDE_BY_SIDE]]      default 200 50
set -eu
cd "$(dirname "$0")/.."
futon=target/x86_64-unknown-linux-gnu/release/futon
in_a_row=${1:-200} side_by_side=${2:-50}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
$futon warm make
machines() { pgrep -fc "name futon-fibonacci-go .*$out" || true; }
used() { du -sm "$out" | cut -f1; }
i=0
while [ $i -lt "$in_a_row" ]; do
    i=$((i + 1))
    $futon -q test fibonacci-go -n 3 --out "$out/run" >"$out/log" 2>&1 || { cat "$out/log"; echo "fork $i did not pass"; exit 1; }
    [ "$(machines)" = 0 ] || { echo "fork $i left a machine behind"; exit 1; }
    [ "$(used)" -lt 50 ] || { echo "fork $i left $(used) MiB"; exit 1; }
    rm -rf "$out/run"
    [ $((i % 10)) != 0 ] || echo "$i forks passed"
done
i=0
while [ $i -lt "$side_by_side" ]; do
    i=$((i + 2))
    $futon -q test fibonacci-go aes-go -n 3 --jobs 2 --out "$out/run" >"$out/log" 2>&1 || { cat "$out/log"; echo "pair $i did not pass"; exit 1; }
    [ "$(machines)" = 0 ] || { echo "pair $i left a machine behind"; exit 1; }
    rm -rf "$out/run"
done
echo "$in_a_row forks in a row and $side_by_side two at a time passed; nothing is left"
