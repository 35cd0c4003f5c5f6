#!/bin/sh
# root.sh OUT PACKAGE...: a Debian 13 root with packages, and the packages themselves.
#
# OUT/root is only unpacked, not configured: what is run in it needs no more, and
# it takes a third of the time. OUT/debs holds the .deb files, from which the
# images' layers are unpacked, so that both come from one state of the archive.
set -eu
made=$1
shift

# mmdebstrap starts from no settings at all: hand on how this host reaches mirrors.
apt-config dump Acquire | grep -iE '(::Proxy|::CAInfo)' >"$made/apt.conf" || true

packages=$(echo "$*" | tr ' ' ',')
mkdir "$made/debs"
# The hook runs with the packages at hand; afterwards mmdebstrap removes them.
# shellcheck disable=SC2016 # expanded by the hook's shell
FUTON_DEBS=$made/debs mmdebstrap --mode=chrootless --variant=extract --format=directory \
	--architectures=amd64 --include="$packages" \
	--aptopt="$made/apt.conf" --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
	--extract-hook='cp -l "$1"/var/cache/apt/archives/*.deb "$FUTON_DEBS"' \
	trixie "$made/root"
