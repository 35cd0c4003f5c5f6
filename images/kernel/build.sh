#!/bin/sh
# Builds the lean kernel, one vmlinux for QEMU (PVH) and gem5, from Debian's linux-source package.
#
# Usage: build.sh --work DIR --out DIR
#
# Makes in --out: vmlinux and kernel.config (the whole configuration; it is in the file, too). The compiler comes from the same
# Debian as the source, so that the host's own does not matter. Works in --work and moves the results at the very end.
#
# Runs as root or as an unprivileged user with ranges in /etc/subuid and /etc/subgid. Needs mmdebstrap; unprivileged also buildah
# (for a user namespace) and uidmap.
set -eu
umask 022
# Not everybody's path leads to /usr/sbin.
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH

SERIES=6.12
# flex, bison and bc make parts of the source; libelf is objtool's; the rest is what any makefile expects.
PACKAGES="linux-source-$SERIES base-files dash bash coreutils sed grep mawk findutils diffutils tar gzip xz-utils make gcc libc6-dev
	binutils flex bison bc libelf-dev perl-base patch"

say() { printf 'kernel: %s\n' "$*" >&2; }
die() {
    printf 'kernel: %s\n' "$*" >&2
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
here=$(cd "$(dirname "$0")" && pwd)
stages=$here/../functions/stages

for tool in mmdebstrap unshare; do
    command -v $tool >/dev/null || die "$tool is missing; hint: apt-get install mmdebstrap util-linux"
done
# A root of Debian's is entered as root; a user who is not gets to be it in a user namespace, where this script runs again.
if [ "$(id -u)" -ne 0 ]; then
    command -v buildah >/dev/null || die "buildah is missing; hint: apt-get install buildah uidmap"
    mkdir -p "$work/storage" "$work/run"
    exec buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs \
        unshare -- sh "$here/build.sh" --work "$work" --out "$out"
fi

mkdir -p "$work" "$out"
work=$(cd "$work" && pwd)
out=$(cd "$out" && pwd)
export FUTON_WORK="$work"
# Of builds that were killed.
for old in "$work"/kernel-build.*; do
    [ -e "/proc/${old##*.}" ] || rm -rf "$old"
done
stage=$work/kernel-build.$$
mkdir "$stage" "$stage/made"

end_tree() {
    # shellcheck disable=SC2013 # words are meant: process ids
    for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        end_tree "$child"
    done
    [ "$1" = "$$" ] || kill "$1" 2>/dev/null || true
}
trap 'end_tree $$; rm -rf "$stage"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Traps run only while the shell waits: whatever takes long runs in the background.
await() {
    "$@" >"$stage/log" 2>&1 &
    wait $! || {
        tail -n 20 "$stage/log" >&2
        die "failed: $1"
    }
}

say "fetching linux-source-$SERIES and a compiler"
mkdir "$stage/tools"
# shellcheck disable=SC2086 # a list of words
await sh "$stages/root.sh" "$stage/tools" $PACKAGES
root=$stage/tools/root
version=$(basename "$stage/tools/debs/linux-source-${SERIES}"_*.deb | cut -d_ -f2)
# Not configured, the packages lack what their alternatives would link.
ln -sf mawk "$root/usr/bin/awk"

say "unpacking the source, $version"
mkdir "$root/build"
# The largest folders of which nothing is built, not even read.
await tar -C "$root/build" --strip-components 1 -xJf "$root/usr/src/linux-source-$SERIES.tar.xz" \
    --exclude='*/drivers/gpu/drm/amd/include' --exclude='*/arch/*/boot/dts' --exclude='*/tools/testing' \
    --exclude='*/Documentation/*/*' --exclude='*/tools/perf'
cp "$here/lean.config" "$here/lapic-timer-khz.patch" "$root/build/"

# shellcheck disable=SC2034 # for enter
made=$stage/made
# shellcheck source=images/functions/stages/enter.sh
. "$stages/enter.sh"

# One date, one builder: the same input gives the same file.
cat >"$root/build/futon-make" <<'END'
export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=futon KBUILD_BUILD_HOST=futon
cd /build
exec make "$@"
END
# Debian's next kernel may have changed these lines: simulations then boot as slowly as others', nothing else.
await enter "$root" sh -euc 'cd /build; if patch -p1 --dry-run -s <lapic-timer-khz.patch; then patch -p1 -s <lapic-timer-khz.patch; else echo skipped >patch.skipped; fi'
[ ! -e "$root/build/patch.skipped" ] || say "lapic-timer-khz.patch does not fit linux $version: going on without it, gem5 boots take twice as long"
say "configuring"
await enter "$root" sh -euc 'KCONFIG_ALLCONFIG=lean.config sh /build/futon-make -s allnoconfig'
# An option that the kernel does not know, or that depends on another one, would silently be left out.
lost=$(grep -E '^CONFIG_[A-Z0-9_]+=' "$here/lean.config" | while IFS= read -r line; do
    case $line in
    *=n) ! grep -q "^${line%=n}=" "$root/build/.config" || printf '%s ' "$line" ;;
    *) grep -qxF "$line" "$root/build/.config" || printf '%s ' "$line" ;;
    esac
done)
[ -z "$lost" ] || die "linux $version does not take as written: $lost; hint: images/kernel/lean.config"

say "compiling with $(nproc) jobs (three to five minutes on two cores)"
await enter "$root" sh -euc "sh /build/futon-make -s -j$(nproc) vmlinux"

cp "$root/build/vmlinux" "$stage/made/vmlinux"
cp "$root/build/.config" "$stage/made/kernel.config"
for file in vmlinux kernel.config; do
    [ -s "$stage/made/$file" ] || die "the build made no $file"
    mv "$stage/made/$file" "$out/.$file.$$"
done
for file in vmlinux kernel.config; do
    mv "$out/.$file.$$" "$out/$file"
done
say "done: linux $version, $(du -h "$out/vmlinux" | cut -f1)"
