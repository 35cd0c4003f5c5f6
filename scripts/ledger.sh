# shellcheck shell=sh
# Sourced by scripts/test.sh: runs test suites and counts what ran, what did not, and why. If a suite fails,
# the next ones still run: the table comes at the end, followed by the names of what failed.
# $CARGO and $logs (a folder) are set by the caller.
# shellcheck disable=SC2154 # logs: set by the caller
table=$logs/table
doing=
# What failed, with "; " between.
faults=

# When the work of the next row began, in seconds.
row_begun=$(date +%s)

# row SUITE RAN FAILED NOT-RUN [WHY]: a line of the table, with the time since the last one.
row() {
    row_ends=$(date +%s)
    printf '%s|%s|%s|%s|%s|%s\n' "$1" "$2" "$3" "$4" "$((row_ends - row_begun))" "${5:-}" >>"$table"
    row_begun=$row_ends
}

# fault NAME: this failed; the tests go on.
fault() { faults=$faults${faults:+; }$1; }

# For `trap … EXIT`: always prints the table. Status 1 if anything failed.
print_table() {
    status=$?
    if [ $status -ne 0 ] && [ -n "$doing" ]; then
        row "$doing" - failed -
        fault "$doing"
    fi
    [ ! -f "$table" ] || awk -F'|' '
        BEGIN { printf "\n%-28s %6s %7s %8s %8s\n", "tests", "ran", "failed", "not run", "seconds" }
        { printf "%-28s %6s %7s %8s %8d%s\n", $1, $2, $3, $4, $5, ($6 == "" ? "" : "  " $6) }
        { ran += $2; failed += $3; not += $4; seconds += $5 }
        END { printf "%-28s %6d %7d %8d %8d\n", "all", ran, failed, not, seconds }' "$table" >&2
    if [ -n "$faults" ]; then
        printf 'error: failed: %s\n' "$faults" >&2
        [ $status -ne 0 ] || status=1
    fi
    exit $status
}

# step NAME COMMAND…: something other than a test suite. It gets a row without figures.
step() {
    name=$1
    shift
    if "$@"; then
        row "$name" - - -
    else
        row "$name" - failed -
        fault "$name"
    fi
}

# figure LOG WORD: the sum of a figure in the lines `test result: …` of a log.
figure() {
    awk -v word="$2" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) sum += $(i - 1) }
        END { print sum + 0 }' "$logs/$1"
}

# How many tests of a log ran.
ran() { echo $(($(figure "$1" passed) + $(figure "$1" failed))); }

# suite NAME LOG ARGUMENT…: runs tests with cargo, and gives them a row. A build error ends everything.
suite() {
    doing=$1 name=$1 log=$2
    shift 2
    sh scripts/say.sh "tests: $name"
    { "$CARGO" test --release --locked --no-fail-fast "$@" && echo 0 >"$logs/status" || echo 1 >"$logs/status"; } | tee "$logs/$log"
    failed=$(figure "$log" failed)
    if [ "$(cat "$logs/status")" != 0 ]; then
        grep -q '^test result:' "$logs/$log" || exit 1
        fault "$name"
        # A test program that dies reports no counts.
        [ "$failed" -ne 0 ] || failed=failed
    fi
    row "$name" "$(ran "$log")" "$failed" 0
    doing=
}

# main_suite NAME LOG ARGUMENT…: the suite that lists every test, and says which are ignored and why. None may be missing.
main_suite() {
    suite "$@"
    # reason|count
    sed -n 's/^test .* \.\.\. ignored\(, \)\{0,1\}/|/p' "$logs/$log" | sort | uniq -c |
        sed 's/^ *\([0-9]*\) |\(.*\)/\2|\1/' >"$logs/ignored"
    doing="count of tests"
    shift 2
    listed=$("$CARGO" test --release --locked "$@" -- --list |
        awk '/^[0-9]+ tests?, / { sum += $1 } END { print sum + 0 }')
    seen=$(($(ran "$log") + $(figure "$log" ignored)))
    if [ "$listed" -ne "$seen" ]; then
        printf 'error: there are %s tests, but %s were run or ignored\n' "$listed" "$seen" >&2
        fault "$doing"
    fi
    doing=
}

# How many tests are ignored for a reason.
ignored_for() { awk -F'|' -v reason="$1" '$1 == reason { sum = $2 } END { print sum + 0 }' "$logs/ignored"; }

forget() {
    awk -F'|' -v reason="$1" '$1 != reason' "$logs/ignored" >"$logs/ignored.new"
    mv "$logs/ignored.new" "$logs/ignored"
}

# ignored_suite NAME LOG REASON ARGUMENT…: runs the tests that the main suite ignored for this reason: all of them.
ignored_suite() {
    reason=$3 wanted=$(ignored_for "$3")
    suite_name=$1 suite_log=$2
    shift 3
    suite "$suite_name" "$suite_log" "$@"
    forget "$reason"
    if [ "$(ran "$suite_log")" -ne "$wanted" ]; then
        printf 'error: %s tests are ignored as "%s", but %s ran\n' "$wanted" "$reason" "$(ran "$suite_log")" >&2
        fault "$suite_name: count of tests"
    fi
}

# left_out NAME REASON WHY: tests that this host cannot run.
left_out() {
    row "$1" 0 0 "$(ignored_for "$2")" "$3"
    forget "$2"
}

# No test may be ignored for a reason that no suite handles.
nothing_forgotten() {
    forget "a part of another test"
    forget "a part of record.sh"
    [ -s "$logs/ignored" ] || return 0
    doing="tests that nothing runs"
    echo 'error: no suite of scripts/test.sh runs the tests that are ignored for these reasons (reason|tests):' >&2
    cat "$logs/ignored" >&2
    exit 1
}
