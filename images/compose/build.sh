#!/bin/sh
# Brings Docker Compose, by which futon reads compose files: the program of Debian's package, the same that the docker base has.
#
# Usage: build.sh --work DIR --out DIR
#
# Makes in --out: docker-compose (the program), docker-compose-version (Debian's version of it, one line) and docker-compose-copyright.
# Nothing is installed. Works in --work and moves the results at the very end. Runs as root or as any user; needs mmdebstrap.
set -eu
umask 022

SUITE=trixie
PACKAGE=docker-compose
PROGRAM=usr/libexec/docker/cli-plugins/docker-compose

say() { printf 'docker compose: %s\n' "$*" >&2; }
die() {
    printf 'docker compose: %s\n' "$*" >&2
    exit 1
}
usage() {
    printf 'usage: build.sh --work DIR --out DIR\n' >&2
    exit 2
}

work='' out=''
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --work) work=$2 ;;
    --out) out=$2 ;;
    *) usage ;;
    esac
    shift 2
done
if [ -z "$work" ] || [ -z "$out" ]; then usage; fi
for tool in mmdebstrap dpkg-deb; do
    command -v $tool >/dev/null || die "$tool is missing; hint: apt-get install mmdebstrap dpkg"
done

mkdir -p "$work" "$out"
work=$(cd "$work" && pwd)
out=$(cd "$out" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
# Of builds that were killed.
for old in "$work"/compose-build.*; do
    [ -e "/proc/${old##*.}" ] || rm -rf "$old"
done
stage=$work/compose-build.$$
mkdir "$stage" "$stage/package"
job='' keyring_copy=''
trap '[ -z "$job" ] || kill $job 2>/dev/null; rm -rf "$stage" "$keyring_copy"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say "fetching $PACKAGE from Debian $SUITE"
images=$here/.. made=$stage
# shellcheck source=images/chrootless.sh
. "$images/chrootless.sh"
# shellcheck disable=SC2016 # expanded by the hook's shell
FUTON_STAGE=$stage FUTON_PACKAGE=$PACKAGE mmdebstrap --quiet "$@" --include=base-files \
    --extract-hook='cd "$FUTON_STAGE" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq download $FUTON_PACKAGE' \
    $SUITE "$stage/root" >&2 &
job=$!
wait $job || die "mmdebstrap failed"
job=''
deb=$(echo "$stage/$PACKAGE"_*.deb)
[ -f "$deb" ] || die "there is no package $PACKAGE in Debian $SUITE"
dpkg-deb --extract "$deb" "$stage/package"
dpkg-deb --field "$deb" Version >"$stage/docker-compose-version"
cp "$stage/package/$PROGRAM" "$stage/docker-compose" || die "the package $PACKAGE has no $PROGRAM"
cp "$stage/package/usr/share/doc/$PACKAGE/copyright" "$stage/docker-compose-copyright"
chmod 755 "$stage/docker-compose"

for file in docker-compose docker-compose-version docker-compose-copyright; do
    [ -s "$stage/$file" ] || die "the build made no $file"
    mv "$stage/$file" "$out/.$file.$$"
done
for file in docker-compose docker-compose-version docker-compose-copyright; do
    mv "$out/.$file.$$" "$out/$file"
done
say "done: version $(cat "$out/docker-compose-version")"
