#!/bin/sh
# Every dependency's licence must be on this list; a new one is a decision, not an accident.
set -eu
cd "$(dirname "$0")/.."
allowed='MIT|bzip2-1.0.6|Apache-2.0|Apache-2.0 WITH LLVM-exception|BSD-2-Clause|BSD-3-Clause|ISC|Zlib|Unicode-3.0|Unlicense|CC0-1.0|0BSD|BSL-1.0|MIT-0'
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
    printf 'error: licences that are not on the list in scripts/licences.sh:\n%s\n' "$bad" >&2
    exit 1
fi
