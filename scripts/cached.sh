#!/bin/sh
# On a CI runner: resources/ as one file for a cache, and back. The disk is a sparse file of 8 GiB, and a resource with another time stamp counts as
# changed: caches keep neither holes nor exact times. Warm bases belong to one host, and are made again.
#
#   cached.sh pack|unpack       resources.tar beside resources/
#   cached.sh pack programs     with futon and its guest tools: only for a cache whose key is `cached.sh key`
#   cached.sh key               a digest of everything that programs and resources are made from
set -eu
cd "$(dirname "$0")/.."
release=target/x86_64-unknown-linux-gnu/release
case ${1:-} in
    key)
        # Not by git: an action that GitHub unpacks is no clone. All but what is made here and what nothing is made from.
        find . -type f ! -path './.git/*' ! -path './.rust/*' ! -path './docs/*' ! -path './resources/*' ! -path './runs/*' \
            ! -path './target/*' ! -path ./resources.tar ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-40
        ;;
    unpack)
        [ -f resources.tar ] || { echo 'cache: it is empty'; exit 0; }
        tar -xf resources.tar
        echo "cache: $(du -sm resources | cut -f1) MiB unpacked"
        ;;
    pack)
        # What a cache has, it keeps.
        [ ! -f resources.tar ] || { echo 'cache: it already has this'; exit 0; }
        set -- "${2:-}"
        [ "$1" != programs ] || set -- "$release/futon" "$release/futon-guest" "$release/test-client"
        tar -S --format=posix --exclude=resources/warm --exclude=resources/.work -cf resources.tar resources ${1:+"$@"}
        echo "cache: $(du -m resources.tar | cut -f1) MiB packed"
        ;;
    *)
        echo 'usage: cached.sh key|unpack|pack [programs]' >&2
        exit 2
        ;;
esac
