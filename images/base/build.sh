#!/bin/sh
# Builds futon's docker base image from Debian's packages alone.
#
# Usage: build.sh --work DIR --out DIR --guest FUTON_GUEST_BINARY [--size 8G] [--recipe DIR]
#
# --recipe names a folder with another root/, cmdline and customize.sh (bench/plain has one); the default is this folder.
#
# Makes in --out: base-disk-image.img (ext4 without partition table, sparse), kernel, initrd, cmdline (recommended kernel
# arguments, one line, without root=), packages.txt. Works in --work and moves the results at the very end, so that a build that
# was interrupted leaves nothing in --out.
#
# Runs as root or as an unprivileged user with ranges in /etc/subuid and /etc/subgid. Needs mmdebstrap and mke2fs; unprivileged also buildah
# (for a user namespace) and uidmap. What changes the root's contents is in customize.sh, which runs inside it.
set -eu
umask 022

SUITE=trixie
PACKAGES="systemd,systemd-sysv,udev,kmod,login,libnss-myhostname,docker.io,docker-cli,docker-compose,crun,iptables,iproute2"
PACKAGES="$PACKAGES,curl,ca-certificates,procps,xz-utils,cpio"

say() { printf 'base image: %s\n' "$*" >&2; }
die() {
    printf 'base image: %s\n' "$*" >&2
    exit 1
}
usage() {
    printf 'usage: build.sh --work DIR --out DIR --guest FUTON_GUEST_BINARY [--size 8G] [--recipe DIR]\n' >&2
    exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
work='' out='' guest='' size=8G recipe=$here
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --work) work=$2 ;;
    --out) out=$2 ;;
    --guest) guest=$2 ;;
    --size) size=$2 ;;
    --recipe) recipe=$(cd "$2" && pwd) ;;
    *) usage ;;
    esac
    shift 2
done
if [ -z "$work" ] || [ -z "$out" ] || [ -z "$guest" ]; then usage; fi
[ -x "$guest" ] || die "$guest is not an executable file; hint: cargo build --release -p futon-guest"

# mke2fs is in /usr/sbin, which is not on everybody's path.
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH
as_root=no
[ "$(id -u)" -ne 0 ] || as_root=yes

need() { command -v "$1" >/dev/null 2>&1 || die "$1 is missing; hint: apt-get install $2"; }
need mmdebstrap mmdebstrap
need mke2fs e2fsprogs
[ $as_root = yes ] || need buildah buildah
[ $as_root = yes ] || need newuidmap uidmap

mkdir -p "$work" "$out"
work=$(cd "$work" && pwd)
out=$(cd "$out" && pwd)
# Of builds that were killed.
for old in "$work"/base-build.*; do
    [ -e "/proc/${old##*.}" ] || rm -rf "$old"
done
stage=$work/base-build.$$
mkdir "$stage"

# Files in the root belong to ids that an unprivileged user cannot remove from outside the namespace.
keyring_copy=''
remove_stage() {
    rm -rf "$keyring_copy"
    if [ $as_root = yes ]; then
        rm -rf "$stage"
    else
        rm -rf "$stage" 2>/dev/null || buildah unshare rm -rf "$stage"
    fi
}
trap remove_stage EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# What goes into the root beside packages, as one archive: files of this folder and the guest tool.
mkdir -p "$stage/add/usr/local/sbin" "$stage/add/futon-build" "$stage/made"
cp -R "$recipe/root/." "$stage/add/"
cp "$recipe/customize.sh" "$here/kernel.sh" "$here/unsign.sh" "$stage/add/futon-build/"
cp "$guest" "$stage/add/usr/local/sbin/futon-guest"
chmod -R u=rwX,go=rX "$stage/add"
tar -C "$stage/add" --owner=0 --group=0 --numeric-owner -cf "$stage/add.tar" .

if [ $as_root = yes ]; then
    mode=root target=$stage/root
else
    mode=unshare target=$stage/root.tar
fi
say "installing Debian $SUITE and Docker Engine (about a minute)"
images=$here/..
# shellcheck source=images/keyring.sh
. "$images/keyring.sh"
mmdebstrap --quiet --mode=$mode --variant=minbase "$@" --include="$PACKAGES" \
    --dpkgopt='force-unsafe-io' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/bash-completion/*' \
    --aptopt='Acquire::Languages "none"' \
    --customize-hook="tar-in '$stage/add.tar' /" \
    --customize-hook="chroot \"\$1\" sh /futon-build/customize.sh" \
    --customize-hook="download /futon-build/kernel '$stage/made/kernel'" \
    --customize-hook="download /futon-build/initrd '$stage/made/initrd'" \
    --customize-hook="download /futon-build/packages.txt '$stage/made/packages.txt'" \
    --customize-hook="rm -rf \"\$1/futon-build\"" \
    $SUITE "$target" >&2
cp "$recipe/cmdline" "$stage/made/cmdline"

say "writing the disk image ($size)"
# The inode tables are written (as holes) now, or every boot would spend time on them.
# mke2fs -q has a word to say about a file that is not there yet.
# shellcheck disable=SC2016 # the inner shell expands
make_disk=': >"$2"; mke2fs -q -t ext4 -F -L futon-base -m 0 -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 -d "$1" "$2" "$3"'
if [ $as_root = yes ]; then
    sh -ec "$make_disk" mke2fs "$target" "$stage/made/base-disk-image.img" "$size" >&2
else
    # shellcheck disable=SC2016 # the inner shell expands
    # Inside the namespace the archive's owners are the ids that the image is to hold. Device nodes cannot be made there; the guest's
    # kernel fills /dev by itself.
    buildah unshare sh -ec 'mkdir "$1"; tar -C "$1" --numeric-owner --xattrs --xattrs-include="*" --exclude="./dev/*" -xpf "$1.tar"'"; $make_disk" \
        mke2fs "$stage/root" "$stage/made/base-disk-image.img" "$size" >&2
fi

for file in base-disk-image.img kernel initrd cmdline packages.txt; do
    [ -s "$stage/made/$file" ] || die "the build made no $file"
done
for file in base-disk-image.img kernel initrd cmdline packages.txt; do
    mv "$stage/made/$file" "$out/.$file.$$"
done
for file in base-disk-image.img kernel initrd cmdline packages.txt; do
    mv "$out/.$file.$$" "$out/$file"
done
say "done: $(du -h "$out/base-disk-image.img" | cut -f1) on disk, $(wc -l <"$out/packages.txt") packages"
