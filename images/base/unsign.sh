#!/bin/sh
# Cuts the signature off kernel modules. It lies at the very end: the signature, a 12-byte record whose last four bytes are the
# signature's length (big-endian), and a marker of 28 bytes.
set -eu
for module in "$@"; do
    [ "$(tail -c 28 "$module")" = '~Module signature appended~' ] || continue
    # shellcheck disable=SC2046 # four numbers
    set -- $(tail -c 32 "$module" | head -c 4 | od -An -tu1)
    truncate -s -$((($1 * 256 + $2) * 65536 + $3 * 256 + $4 + 40)) "$module"
done
