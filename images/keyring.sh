# shellcheck shell=sh
# Sourced by recipes before they call mmdebstrap: makes "$@" the options that tell it of Debian 13's keys where the host's own package
# debian-archive-keyring is older than Debian 13 (Ubuntu 22.04's is of 2021), and empty elsewhere. `images` is this folder.
# The keys in keys/ are those of debian-archive-keyring 2023.3+deb12u2, whose package the recipes' own Debian has, too.

keyring_of_host=/usr/share/keyrings/debian-archive-keyring.gpg
keyring_copy=
set --

# 762F67A0B2C39DE4 is Debian's stable release key of Debian 13.
keyring_home=$(mktemp -d)
keyring_list=$(gpg --homedir "$keyring_home" --batch --with-colons --show-keys $keyring_of_host 2>/dev/null || true)
rm -rf "$keyring_home"
case $keyring_list in
*:762F67A0B2C39DE4:*) ;;
*)
	# In a user namespace mmdebstrap reads them as somebody who may not enter the user's home.
	# shellcheck disable=SC2154 # set by the recipe
	keyring_copy=$(mktemp -d /tmp/futon-keys.XXXXXX) && chmod 755 "$keyring_copy" && cp "$images"/keys/*.gpg "$keyring_copy"
	chmod 644 "$keyring_copy"/*.gpg
	# The host's file, too: were one of its keys unknown to apt, mmdebstrap would trust that file and nothing else.
	[ ! -e $keyring_of_host ] || set -- "--keyring=$keyring_of_host"
	set -- "$@" "--keyring=$keyring_copy"
	;;
esac
