# shellcheck shell=sh
# Sourced by stages: running a program inside a builder root.

# enter ROOT COMMAND...: runs COMMAND in ROOT with the stage's folder at /out,
# the caches at /cache, and the host's network, proxy and registry settings.
# $made and, optionally, $sources (read at /src) are set by the stage.
enter() {
	enter_root=$1
	shift
	enter_settings "$enter_root"
	mkdir -p "$enter_root/proc" "$enter_root/dev" "$enter_root/tmp" "$enter_root/out" \
		"$enter_root/src" "$enter_root/cache" "$FUTON_WORK/cache"
	# shellcheck disable=SC2016,SC2154 # expanded by the inner shell; set by the stage
	FUTON_ROOT=$enter_root FUTON_OUT=$made FUTON_SRC=${sources:-$made} unshare --mount -- sh -euc '
		r=$FUTON_ROOT
		mount --rbind /proc "$r/proc"
		mount --rbind /dev "$r/dev"
		mount --bind "$FUTON_OUT" "$r/out"
		mount --bind "$FUTON_SRC" "$r/src"
		mount --bind "$FUTON_WORK/cache" "$r/cache"
		exec env -i /usr/sbin/chroot "$r" "$@"
	' enter /usr/bin/sh /etc/futon-run "$@"
}

# Writes /etc/futon-run into the root: it sets what the host says about networks
# and registries, and nothing else of the host's environment, then runs its
# arguments.
enter_settings() {
	for file in resolv.conf hosts; do
		[ ! -e "/etc/$file" ] || cat "/etc/$file" >"$1/etc/$file"
	done
	mkdir -p "$1/etc/ssl/certs"
	certificates=/etc/ssl/certs/ca-certificates.crt
	# A host's own authorities, or those of the root's ca-certificates package,
	# whose list is made only when a package is configured.
	if [ -s "$certificates" ]; then
		cat "$certificates"
	else
		cat "$1"/usr/share/ca-certificates/mozilla/*.crt
	fi >"$1$certificates"
	{
		echo "export PATH=/usr/sbin:/usr/bin HOME=/tmp LC_ALL=C.UTF-8"
		for name in SSL_CERT_FILE PIP_CERT NODE_EXTRA_CA_CERTS npm_config_cafile; do
			echo "export $name=$certificates"
		done
		for name in http_proxy https_proxy no_proxy all_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY \
			GOPROXY GOSUMDB GONOSUMDB GOPRIVATE GONOPROXY GOINSECURE GOFLAGS \
			PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_PROXY PIP_DEFAULT_TIMEOUT PIP_RETRIES \
			npm_config_registry npm_config_proxy npm_config_https_proxy npm_config_noproxy \
			npm_config_strict_ssl NPM_CONFIG_REGISTRY; do
			if value=$(printenv "$name"); then
				printf "export %s='%s'\n" "$name" "$(printf %s "$value" | sed "s/'/'\\\\''/g")"
			fi
		done
		# shellcheck disable=SC2016
		echo 'exec "$@"'
	} >"$1/etc/futon-run"
}

# unpack ROOT FOLDER PACKAGE...: the files of packages, as apt chose them for ROOT.
unpack() {
	unpack_from=$1 unpack_to=$2
	shift 2
	for package in "$@"; do
		# One version of each is there: apt put them there in one go.
		dpkg-deb --extract "$unpack_from"/debs/"${package}"_*.deb "$unpack_to"
	done
}
