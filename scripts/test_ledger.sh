#!/bin/sh
# Tests of scripts/ledger.sh, with a cargo that only says what it is told to.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/cargo" <<'END'
#!/bin/sh
[ "$BUILT" = yes ] || exit 101
case " $* " in
*" --list "*) echo "a: test"; echo; echo "$LISTED tests, 0 benchmarks" ;;
*" --ignored "*)
    echo "test result: $MOONS. $RAN passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s"
    [ "$MOONS" = ok ]
    ;;
*)
    echo "test a ... ok"
    echo "test b ... ignored, needs a moon"
    echo "test c ... ignored, $OTHER"
    [ "$RESULT" = ok ] && figures="1 passed; 0 failed" || figures="0 passed; 1 failed"
    echo "test result: $RESULT. $figures; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s"
    [ "$RESULT" = ok ]
    ;;
esac
END
chmod +x "$folder/cargo"
cat >"$folder/run" <<'END'
set -eu
logs=$1/logs CARGO=$1/cargo
rm -rf "$logs"; mkdir "$logs"
. scripts/ledger.sh
trap print_table EXIT
main_suite main plain
step step sh -c "exit $STEP"
if [ "$MOON" = yes ]; then ignored_suite moon moon "needs a moon" -- --ignored; else left_out moon "needs a moon" "no moon"; fi
nothing_forgotten
END

# expect STATUS WORDS VARIABLE=VALUE…: what is said at the end, and with which exit status. WORDS that begin with "no " must not be said.
expect() {
    wanted=$1 words=$2
    shift 2
    status=0
    said=$(env BUILT=yes LISTED=3 RAN=1 OTHER='a part of another test' RESULT=ok MOON=yes MOONS=ok STEP=0 "$@" \
        sh "$folder/run" "$folder" 2>&1) || status=$?
    case $said in
    *"${words#no }"*) heard=yes ;;
    *) heard=no ;;
    esac
    case $words in
    "no "*) should=no ;;
    *) should=yes ;;
    esac
    if [ "$status" != "$wanted" ] || [ $heard != $should ]; then
        printf 'error: %s: expected exit status %s and "%s", but there was %s:\n%s\n' "$*" "$wanted" "$words" "$status" "$said" >&2
        exit 1
    fi
}

expect 0 'all                               2       0        0' LISTED=3
expect 0 'no error: failed' LISTED=3
expect 0 'moon                              0       0        1        0  no moon' MOON=no
expect 1 'there are 4 tests, but 3 were run or ignored' LISTED=4
expect 1 '1 tests are ignored as "needs a moon", but 0 ran' RAN=0
expect 1 'needs a sun|1' OTHER='needs a sun'
# What fails has its row and its name at the end, and what comes after it runs.
expect 1 'main                              1       1        0' RESULT=FAILED
expect 1 'moon                              1       0        0' RESULT=FAILED
expect 1 'all                               2       1        0' RESULT=FAILED
expect 1 'step                              -  failed        -' STEP=1
expect 1 'moon                              1       0        0' STEP=1
expect 1 'error: failed: main; step; moon' RESULT=FAILED STEP=1 MOONS=FAILED
# A program of tests that dies counts no failure.
expect 1 'moon                              1  failed        0' MOONS=FAILED
# What cannot be built ends all.
expect 1 'main                              -  failed        -' BUILT=no
expect 1 'no moon' BUILT=no
