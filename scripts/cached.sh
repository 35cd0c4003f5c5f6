#!/bin/sh
# On a CI runner: resources/ as one file for a cache, and back. The disk is a sparse file of 8 GiB, and a resource with another time stamp counts as
# changed: caches keep neither holes nor exact times. Warm bases belong to one host, and are made again.
#
#   cached.sh pack|unpack       resources.tar beside resources/
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
    unpack)
        [ -f resources.tar ] || { echo 'cache: it is empty'; exit 0; }
        tar -xf resources.tar
        echo "cache: $(du -sm resources | cut -f1) MiB unpacked"
        ;;
    pack)
        # What a cache has, it keeps.
        [ ! -f resources.tar ] || { echo 'cache: it already has this'; exit 0; }
        tar -S --format=posix --exclude=resources/warm --exclude=resources/.work -cf resources.tar resources
        echo "cache: $(du -m resources.tar | cut -f1) MiB packed"
        ;;
    *)
        echo 'usage: cached.sh pack|unpack' >&2
        exit 2
        ;;
esac
