# shellcheck shell=sh
# Sourced by recipes that let mmdebstrap only unpack packages, without root and without running any of their scripts: makes "$@" the
# options for that, keyring.sh's among them. `images` is this folder, `made` a folder for apt's settings.

# shellcheck disable=SC2154 # images, made: set by the recipe
# shellcheck source=images/keyring.sh
. "$images/keyring.sh"

# mmdebstrap starts from no settings at all: hand on how this host reaches mirrors.
{
	apt-config dump Acquire | grep -iE '(::Proxy|::CAInfo)' || true
	# mmdebstrap complains of an empty file.
	echo 'Acquire::Languages "none";'
} >"$made/apt.conf"
set -- "$@" --mode=chrootless --variant=extract --format=directory --architectures=amd64 \
	--aptopt="$made/apt.conf" --aptopt='Acquire::Retries "3"'

# mmdebstrap of Debian 13 does not do this as root, or as the root of a user namespace, without being told to: packages'
# scripts could change the host. None is run here. Versions before 1 need not know the word.
case $(mmdebstrap --version) in
*' 0.'*) ;;
*) set -- "$@" --skip=check/chrootless ;;
esac
