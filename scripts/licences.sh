#!/bin/sh
# Every dependency's licence must be on the list in deny.toml. cargo deny checks the same and more; this needs nothing but cargo.
set -eu
cd "$(dirname "$0")/.."
allowed=$(awk '/^allow = \[/ { inside = 1; next } inside && /^\]/ { exit } inside { gsub(/^ *"|",? *$/, ""); printf "%s%s", sep, $0; sep = "|" }' deny.toml)
[ -n "$allowed" ] || { echo 'error: deny.toml has no list of licences' >&2; exit 1; }
# One licence of each OR must be allowed, and each of an AND; the table is small enough for a set of words.
bad=$("${CARGO:-scripts/cargo}" tree --locked --workspace --prefix none --format '{p}|{l}' |
    sed 's/ (\*)$//' | sort -u | awk -F'|' -v allowed="$allowed" '
    BEGIN { n = split(allowed, list, "|"); for (i = 1; i <= n; i++) ok[list[i]] = 1 }
    { text = $2; gsub(/[()]/, "", text); gsub(/ \/ |\//, " OR ", text)
      m = split(text, ands, / AND /); good = 1
      for (i = 1; i <= m; i++) { k = split(ands[i], ors, / OR /); any = 0
        for (j = 1; j <= k; j++) if (ors[j] in ok) any = 1
        if (!any) good = 0 }
      if (!good) print "  " $1 ": " $2 }')
if [ -n "$bad" ]; then
    printf 'error: licences that are not on the list in deny.toml:\n%s\n' "$bad" >&2
    exit 1
fi
