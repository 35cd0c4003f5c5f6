#!/bin/sh
# Many runs: on the fake machine, forks in a row, forks two at a time. All must pass, nothing may be left running, nothing may leak: processes,
# descriptors, namespaces, mounts, files, disk and memory are counted before and after.
#
#   bench/soak.sh [IN_A_ROW [SIDE_BY_SIDE [FAKE]]]      default 1000 50 10000
#
# Faults (signals, full disks) are bench/faults.sh's.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=bench/count.sh
. bench/count.sh
futon=$PWD/target/x86_64-unknown-linux-gnu/release/futon
in_a_row=${1:-1000} side_by_side=${2:-50} fake=${3:-10000}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT TERM
if [ "$((in_a_row + side_by_side))" -gt 0 ]; then
    # The machines that run alone and, on a host of two processors, those that run side by side.
    "$futon" warm make
    "$futon" warm make --vcpus 1
fi
before=$(counts)
memory_before=$(memory) descriptors_before=$(descriptors) namespaces_before=$(namespaces)

# passes WHAT COMMAND…
passes() {
    what=$1
    shift
    "$@" >"$out/log" 2>&1 || { cat "$out/log"; echo "$what did not pass"; exit 1; }
}
# looked WHAT: nothing may be left after each run.
looked() {
    [ "$(processes)" = 0 ] || settle "$before" || { echo "$1 left: $(difference "$before" "$(counts)")"; exit 1; }
    [ "$(used)" -lt 50 ] || { echo "$1 left $(used) MiB"; exit 1; }
    rm -rf "$out/run"
}

i=0
while [ $i -lt "$fake" ]; do
    i=$((i + 1))
    # The fake machine is for tests: its verdicts prove nothing, and that is what the variable says.
    passes "fake run $i" env FUTON_TEST_FAKE_MACHINE='proves nothing' "$futon" -q test fibonacci-go --on fake:pass --out "$out/run"
    rm -rf "$out/run"
    [ $((i % 1000)) != 0 ] || { looked "fake run $i"; echo "$i fake runs passed, memory $(memory) MiB (at first $memory_before), descriptors $(descriptors) ($descriptors_before)"; }
done
i=0
while [ $i -lt "$in_a_row" ]; do
    i=$((i + 1))
    passes "fork $i" "$futon" -q test fibonacci-go -n 3 --out "$out/run"
    looked "fork $i"
    [ $((i % 50)) != 0 ] || echo "$i forks passed, memory $(memory) MiB (at first $memory_before)"
done
i=0
while [ $i -lt "$side_by_side" ]; do
    i=$((i + 2))
    passes "pair $i" "$futon" -q test fibonacci-go aes-go -n 3 --jobs 2 --out "$out/run"
    looked "pair $i"
done
settle "$before" || { echo "left: $(difference "$before" "$(counts)")"; exit 1; }
runs=$((fake + in_a_row + side_by_side))
grown=$(($(memory) - memory_before))
more_descriptors=$(($(descriptors) - descriptors_before)) more_namespaces=$(($(namespaces) - namespaces_before))
echo "$fake fake runs, $in_a_row forks in a row and $side_by_side two at a time passed; processes, mounts and files as before;" \
    "memory grew by $grown MiB, open files by $more_descriptors, namespaces by $more_namespaces"
# Other programs' count, too: the limits are those of a leak of one descriptor or namespace in four runs, of 2 MiB a fork.
[ $grown -lt $((2 * (in_a_row + side_by_side) + fake / 20 + 256)) ] || { echo 'memory leaks'; exit 1; }
[ $more_descriptors -lt $((runs / 4 + 2000)) ] || { echo 'descriptors leak'; exit 1; }
[ $more_namespaces -lt $((runs / 4 + 40)) ] || { echo 'namespaces leak'; exit 1; }
