#!/bin/sh
# Builds the lean guest's initramfs: futon-guest as init, crun with its libraries, busybox for the run script's shell, the test client.
#
# Usage: build.sh --work DIR --out DIR --guest FUTON_GUEST_BINARY --client TEST_CLIENT_BINARY
#
# Makes in --out: lean-initrd (an uncompressed cpio archive), lean-seccomp.json (Docker's default profile, as Debian's source of the
# Docker Engine has it), lean-cmdline (recommended kernel arguments, one line) and lean-packages.txt. Debian's files are kept in
# --work, so that a new guest tool costs a second. Works in --work and moves the results at the very end.
#
# Runs as root or as any user; needs mmdebstrap and cpio.
set -eu
umask 022
# Not everybody's path leads to /usr/sbin.
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH

SUITE=trixie
PACKAGES=base-files,crun,busybox-static
# Not installed, only looked into: the engine's source, for its seccomp profile.
SOURCE=golang-github-docker-docker-dev
PROFILE=usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json
# What run scripts may call. The list is short because a simulated core unpacks each of them.
APPLETS="sh cat chmod chroot cp cut date dd df dmesg echo env false grep head hostname id kill ls mkdir mount mv printf ps rm sed sleep sort
	sync tail tar tee test time touch true umount uname wc wget"

say() { printf 'lean guest: %s\n' "$*" >&2; }
die() {
    printf 'lean guest: %s\n' "$*" >&2
    exit 1
}
usage() {
    printf 'usage: build.sh --work DIR --out DIR --guest FUTON_GUEST_BINARY --client TEST_CLIENT_BINARY\n' >&2
    exit 2
}

work='' out='' guest='' client=''
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --work) work=$2 ;;
    --out) out=$2 ;;
    --guest) guest=$2 ;;
    --client) client=$2 ;;
    *) usage ;;
    esac
    shift 2
done
if [ -z "$work" ] || [ -z "$out" ] || [ -z "$guest" ] || [ -z "$client" ]; then usage; fi
for tool in mmdebstrap cpio dpkg-deb; do
    command -v $tool >/dev/null || die "$tool is missing; hint: apt-get install mmdebstrap cpio dpkg"
done
for binary in "$guest" "$client"; do
    [ -x "$binary" ] || die "$binary is not an executable file; hint: cargo build --release"
done

mkdir -p "$work" "$out"
work=$(cd "$work" && pwd)
out=$(cd "$out" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
# Of builds that were killed.
for old in "$work"/lean-build.*; do
    [ -e "/proc/${old##*.}" ] || rm -rf "$old"
done
stage=$work/lean-build.$$
mkdir "$stage" "$stage/made"
job='' keyring_copy=''
trap '[ -z "$job" ] || kill $job 2>/dev/null; rm -rf "$stage" "$keyring_copy"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- Debian's part: files only, nothing is configured or run. Remade when the list here changes.
wanted="$SUITE $PACKAGES $SOURCE"
if [ "$(cat "$work/debian/wanted" 2>/dev/null)" != "$wanted" ]; then
    say "fetching crun and busybox from Debian $SUITE"
    rm -rf "$work/debian"
    mkdir "$stage/debian"
    images=$here/.. made=$stage
    # shellcheck source=images/chrootless.sh
    . "$images/chrootless.sh"
    # shellcheck disable=SC2016 # expanded by the hook's shell
    FUTON_STAGE=$stage FUTON_SOURCE=$SOURCE mmdebstrap --quiet "$@" --include="$PACKAGES" \
        --extract-hook='cd "$FUTON_STAGE" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq download $FUTON_SOURCE' \
        --extract-hook='ls "$1"/var/cache/apt/archives/*.deb >"$FUTON_STAGE/debs"' \
        $SUITE "$stage/debian/root" >&2 &
    job=$!
    wait $job || die "mmdebstrap failed"
    job=''
    dpkg-deb --fsys-tarfile "$stage/$SOURCE"_*.deb | tar -xO "./$PROFILE" >"$stage/debian/seccomp.json"
    # "name_1%3a2.0-1_amd64.deb": name and version.
    (cat "$stage/debs" && ls "$stage/$SOURCE"_*.deb) | sed 's|.*/||; s|%3a|:|; s|_[a-z0-9]*\.deb$||; s|_|\t|' >"$stage/debian/packages.txt"
    printf '%s' "$wanted" >"$stage/debian/wanted"
    mv "$stage/debian" "$work/debian"
fi
debian=$work/debian/root

# --- The root: directories, programs, and of the libraries those that crun asks for.
root=$stage/root
mkdir -p "$root/usr/bin" "$root/usr/lib/x86_64-linux-gnu" "$root/usr/lib64" "$root/etc" "$root/dev" "$root/proc" "$root/sys" \
    "$root/run" "$root/root" "$root/tmp" "$root/var"
for link in bin:usr/bin sbin:usr/bin lib:usr/lib lib64:usr/lib64 usr/sbin:bin var/run:../run init:usr/bin/futon-guest; do
    ln -s "${link#*:}" "$root/${link%%:*}"
done
cp "$guest" "$root/usr/bin/futon-guest"
cp "$client" "$root/usr/bin/test-client"
cp "$debian/usr/bin/crun" "$root/usr/bin/crun"
cp "$debian/usr/bin/busybox" "$root/usr/bin/busybox"
ln -s futon-guest "$root/usr/bin/m5"
for applet in $APPLETS; do ln -s busybox "$root/usr/bin/$applet"; done

# Whatever a file is linked with, and what that is linked with.
libraries() {
    LC_ALL=C grep -aoE 'lib[A-Za-z0-9_+-]+\.so\.[0-9]+' "$1" | sort -u
}
add_libraries() {
    for library in $(libraries "$1"); do
        from=$debian/usr/lib/x86_64-linux-gnu/$library
        # A name in a file may be of a library that is opened only when it is there: those are not Debian's dependencies.
        if [ -e "$from" ] && [ ! -e "$root/usr/lib/x86_64-linux-gnu/$library" ]; then
            cp -L "$from" "$root/usr/lib/x86_64-linux-gnu/$library"
            add_libraries "$from"
        fi
    done
}
add_libraries "$debian/usr/bin/crun"
cp -L "$debian/usr/lib64/ld-linux-x86-64.so.2" "$root/usr/lib64/" 2>/dev/null ||
    cp -L "$debian/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" "$root/usr/lib64/"
[ -e "$root/usr/lib/x86_64-linux-gnu/libc.so.6" ] || die "crun's libraries are not as expected"

printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
printf 'futon\n' >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 futon\n::1 localhost ip6-localhost ip6-loopback\n10.0.2.2 _gateway\n' >"$root/etc/hosts"
printf 'lean\n' >"$root/etc/futon-base"
chmod -R u=rwX,go=rX "$root"
chmod 1777 "$root/tmp"
chmod 700 "$root/root"

# One date: the same input gives the same archive.
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$stage/made/lean-initrd"
cp "$work/debian/seccomp.json" "$stage/made/lean-seccomp.json"
cp "$work/debian/packages.txt" "$stage/made/lean-packages.txt"
cp "$here/cmdline" "$stage/made/lean-cmdline"

for file in lean-initrd lean-seccomp.json lean-packages.txt lean-cmdline; do
    [ -s "$stage/made/$file" ] || die "the build made no $file"
    mv "$stage/made/$file" "$out/.$file.$$"
done
for file in lean-initrd lean-seccomp.json lean-packages.txt lean-cmdline; do
    mv "$out/.$file.$$" "$out/$file"
done
say "done: $(du -h "$out/lean-initrd" | cut -f1)"
