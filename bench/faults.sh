#!/bin/sh
# Faults at random moments: what futon starts is killed, stopped or crashed while it works, disks are full. Each time nothing may be left, and
# futon says what happened in a word that people can use.
#
#   bench/faults.sh [ROUNDS [SEED]]      default 20 rounds of each fault on a virtual machine, seed 1
#
# FAULTS names some of them alone, as in FAULTS='futon:KILL qemu:STOP'.
#
# A round is one run of fibonacci-go, a signal at a moment of 0 to 5 s, and a look at what is left. Needs root for the full disks (tmpfs).
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=bench/count.sh
. bench/count.sh
futon=$PWD/target/x86_64-unknown-linux-gnu/release/futon
rounds=${1:-20} seed=${2:-1}
out=$(mktemp -d)
full=
trap '[ -z "$full" ] || umount "$full" 2>/dev/null; rm -rf "$out"' EXIT
trap 'exit 130' INT TERM
$futon warm make
bad=0
table=$out/table
: >"$table"
fail() { echo "FAILED: $*" >&2; bad=$((bad + 1)); }

# random BELOW: a number that the seed repeats.
random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    echo $((seed / 65536 % $1))
}

# Processes of one run: futon, its guard, and QEMU, found by the run's own folder.
victim() {
    case $1 in
        futon) echo "$run_pid" ;;
        guard) pgrep -P "$run_pid" -f ' guard ' | head -n 1 ;;
        qemu) pgrep -f "qemu-system-x86_64 -name futon-fibonacci-go .*$out" | head -n 1 ;;
    esac
}

# strike WHO SIGNAL
strike() {
    who=$1 signal=$2 round=0
    while [ $round -lt "$rounds" ]; do
        round=$((round + 1))
        before=$(counts)
        $futon test fibonacci-go -n 3 --limit run=60s --out "$out/run" >"$out/log" 2>&1 &
        run_pid=$!
        ms=$(random 5000)
        sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
        pid=$(victim "$who" || true)
        [ -z "$pid" ] || kill "-$signal" "$pid" 2>/dev/null || true
        # A futon that is stopped cannot end; what it started must end when it goes.
        if [ "$who $signal" = "futon STOP" ]; then
            sleep 2
            kill -KILL "$run_pid" 2>/dev/null || true
        fi
        code=0
        wait "$run_pid" || code=$?
        settle "$before" || fail "$who $signal at $ms ms: $(difference "$before" "$(counts)")"
        # A signal that came too late struck nothing.
        case $who:$code in
            *:0 | futon:13[79] | futon:139) ;;
            *) grep -qE 'error:|infra|crashed|timed out|failed|interrupted' "$out/log" || fail "$who $signal at $ms ms: exit $code without a word" ;;
        esac
        printf '%s|%s|%s\n' "$who" "$signal" "$code" >>"$table"
        rm -rf "$out/run"
    done
}

for fault in ${FAULTS:-futon:KILL futon:SEGV futon:STOP guard:KILL guard:SEGV guard:STOP qemu:KILL qemu:SEGV qemu:STOP}; do
    echo "$fault, $rounds times"
    strike "${fault%:*}" "${fault#*:}"
done

# full_disk WHAT ARGUMENT…: a run with a disk of 4 MiB somewhere.
full_disk() {
    what=$1
    shift
    before=$(counts)
    code=0
    "$@" >"$out/log" 2>&1 || code=$?
    settle "$before" || fail "full $what: $(difference "$before" "$(counts)")"
    [ $code -ne 0 ] || fail "full $what: it passed"
    grep -qi 'space\|full' "$out/log" || { fail "full $what: no word of it"; tail -n 5 "$out/log" >&2; }
    printf 'disk %s|full|%s\n' "$what" "$code" >>"$table"
}

if [ "$(id -u)" = 0 ]; then
    full=$out/full
    mkdir "$full"
    mount -t tmpfs -o size=4m tmpfs "$full"
    # shellcheck disable=SC2016 # the inner shell expands
    full_disk "--out" "$futon" test fibonacci-go --out "$full/run"
    rm -rf "$full/run"
    dd if=/dev/zero of="$full/fill" bs=1M count=4 2>/dev/null || true
    full_disk "--out, nothing free" "$futon" test fibonacci-go --out "$full/run"
    # A run needs little or nothing there: it may pass.
    code=0
    TMPDIR=$full $futon test fibonacci-go --out "$out/run" >"$out/log" 2>&1 || code=$?
    [ $code -eq 0 ] || grep -qi 'space\|full' "$out/log" || fail "full TMPDIR: exit $code without a word of it"
    printf 'disk TMPDIR|full|%s\n' "$code" >>"$table"
    umount "$full"
    full=
else
    echo 'note: full disks are left out: they need root' >&2
fi
echo "what was struck, by what, and futon's exit codes (number of runs):"
sort "$table" | uniq -c | awk -F'|' '{ print "  " $1 " " $2 ": exit " $3 }'
[ $bad -eq 0 ] || { echo "$bad faults were not met as they should be"; exit 1; }
echo 'after each fault nothing was left, and each was named'
