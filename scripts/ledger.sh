# shellcheck shell=sh
# Sourced by scripts/test.sh: runs suites of tests and keeps count of what ran, what did not, and why.
# $CARGO and $logs (a folder) are set by the caller.
# shellcheck disable=SC2154 # logs: set by the caller
table=$logs/table
doing=

# row SUITE RAN FAILED NOT-RUN [WHY]: a line of the table.
row() { printf '%s|%s|%s|%s|%s\n' "$1" "$2" "$3" "$4" "${5:-}" >>"$table"; }

# For `trap … EXIT`: prints the table, however the tests ended.
print_table() {
    status=$?
    [ $status -eq 0 ] || [ -z "$doing" ] || row "$doing" - failed -
    [ ! -f "$table" ] || awk -F'|' '
        BEGIN { printf "\n%-28s %6s %7s %8s\n", "tests", "ran", "failed", "not run" }
        { printf "%-28s %6s %7s %8s%s\n", $1, $2, $3, $4, ($5 == "" ? "" : "  " $5); ran += $2; failed += $3; not += $4 }
        END { printf "%-28s %6d %7d %8d\n", "all", ran, failed, not }' "$table" >&2
    exit $status
}

# figure LOG WORD: the sum of a figure in the lines `test result: …` of a log.
figure() {
    awk -v word="$2" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) sum += $(i - 1) }
        END { print sum + 0 }' "$logs/$1"
}

# How many tests of a log ran.
ran() { echo $(($(figure "$1" passed) + $(figure "$1" failed))); }

# suite NAME LOG ARGUMENT…: runs tests with cargo, and gives them a row.
suite() {
    doing=$1 name=$1 log=$2
    shift 2
    sh scripts/say.sh "tests: $name"
    { "$CARGO" test --release --locked "$@" && echo 0 >"$logs/status" || echo 1 >"$logs/status"; } | tee "$logs/$log"
    [ "$(cat "$logs/status")" = 0 ] || exit 1
    row "$name" "$(ran "$log")" 0 0
    doing=
}

# main_suite NAME LOG ARGUMENT…: the suite that meets every test, and says which are ignored and why. None may be missing.
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
    [ "$listed" -eq "$seen" ] || {
        printf 'error: there are %s tests, but %s were run or ignored\n' "$listed" "$seen" >&2
        exit 1
    }
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
    [ "$(ran "$suite_log")" -eq "$wanted" ] || {
        doing=$suite_name
        printf 'error: %s tests are ignored as "%s", but %s ran\n' "$wanted" "$reason" "$(ran "$suite_log")" >&2
        exit 1
    }
}

# left_out NAME REASON WHY: tests that this machine cannot run.
left_out() {
    row "$1" 0 0 "$(ignored_for "$2")" "$3"
    forget "$2"
}

# Nothing may be ignored for a reason that no suite knows.
nothing_forgotten() {
    forget "a part of another test"
    forget "a part of record.sh"
    [ -s "$logs/ignored" ] || return 0
    doing="tests that nothing runs"
    echo 'error: no suite of scripts/test.sh runs the tests that are ignored for these reasons (reason|tests):' >&2
    cat "$logs/ignored" >&2
    exit 1
}
