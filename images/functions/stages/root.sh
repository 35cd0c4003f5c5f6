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
{
	apt-config dump Acquire | grep -iE '(::Proxy|::CAInfo)' || true
	# mmdebstrap complains of an empty file.
	echo 'Acquire::Languages "none";'
} >"$made/apt.conf"

packages=$(echo "$*" | tr ' ' ',')
mkdir "$made/debs"
# mmdebstrap of Debian 13 does not do this as root, or as the root of a user namespace, without being told to: packages'
# scripts could change the host. None is run here. Versions before 1 need not know the word.
case $(mmdebstrap --version) in
*' 0.'*) skip='' ;;
*) skip=--skip=check/chrootless ;;
esac
images=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=images/keyring.sh
. "$images/keyring.sh"
# The hook runs with the packages at hand; afterwards mmdebstrap removes them.
# shellcheck disable=SC2016,SC2086 # expanded by the hook's shell; empty or one word
FUTON_DEBS=$made/debs mmdebstrap --mode=chrootless $skip "$@" --variant=extract --format=directory \
	--architectures=amd64 --include="$packages" \
	--aptopt="$made/apt.conf" --aptopt='Acquire::Retries "3"' \
	--extract-hook='cp -l "$1"/var/cache/apt/archives/*.deb "$FUTON_DEBS"' \
	trixie "$made/root"
[ -z "$keyring_copy" ] || rm -rf "$keyring_copy"
