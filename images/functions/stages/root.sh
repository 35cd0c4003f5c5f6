#!/bin/sh
# root.sh OUT PACKAGE...: a Debian 13 root with packages, and the packages themselves.
#
# OUT/root is only unpacked, not configured: what is run in it needs no more, and
# it takes a third of the time. OUT/debs holds the .deb files, from which the
# images' layers are unpacked, so that both come from one state of the archive.
set -eu
made=$1
shift

packages=$(echo "$*" | tr ' ' ',')
mkdir "$made/debs"
images=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=images/chrootless.sh
. "$images/chrootless.sh"
trap 'rm -rf "$keyring_copy"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# The hook runs with the packages at hand; afterwards mmdebstrap removes them.
# shellcheck disable=SC2016 # expanded by the hook's shell
FUTON_DEBS=$made/debs mmdebstrap "$@" --include="$packages" \
	--extract-hook='cp -l "$1"/var/cache/apt/archives/*.deb "$FUTON_DEBS"' \
	trixie "$made/root"
