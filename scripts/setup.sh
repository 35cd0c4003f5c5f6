#!/bin/sh
# Brings what futon needs and this machine lacks: packages with apt, and a Rust of futon's own where there is none. Safe to repeat; takes a
# second when all is there. First it looks at everything, and says all that stands in the way, before anything is installed.
# Nothing else of futon needs root on the host, and it adds no package source.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Debian keeps programs where ordinary users' paths do not lead, and the caller may have no path at all.
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH

say() { printf '==> %s\n' "$*" >&2; }
hint() { printf 'hint: %s\n' "$*" >&2; }
problems=0
# problem WHAT HINT
problem() {
    printf 'error: %s\n' "$1" >&2
    hint "$2"
    problems=$((problems + 1))
}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# package  why
packages() {
    cat <<'EOF'
qemu-system-x86 runs the guest
qemu-utils makes the disks; of one version with qemu-system-x86
mmdebstrap makes Debian roots for the base image and the function images
e2fsprogs makes the base image's file system
buildah builds function images without an engine
netavark is what buildah refuses to start without, though no image of ours needs a network
skopeo fetches images from registries
uidmap lets an unprivileged user make images whose files belong to root
debian-archive-keyring proves that Debian's packages are Debian's
ca-certificates proves to whom one talks
curl is what guests and tests talk to the exchange with
xz-utils unpacks kernel modules
zstd unpacks kernels
cpio packs the initrd
gcc links futon
g++ builds libFuzzer for the fuzz targets
libc6-dev links futon statically
iproute2 gives tests a network of their own
gpg tells mmdebstrap which keys are Debian's
python3 runs checks of the sample functions
python3-venv gives the tests a client and an upload server of their own
EOF
}

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -q '^installed$'; }

# ---- look: what is missing ----

if ! command -v apt-get >/dev/null; then
    problem "this machine has no apt" \
        "futon is made for Debian 12 and 13 and Ubuntu 22.04 and 24.04; 'futon doctor' lists what it needs"
    exit 3
fi
[ "$(uname -m)" = x86_64 ] || problem "this machine is $(uname -m)" "futon needs a host of x86_64"

release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
missing=
while read -r package why; do
    case $package in
        # A newer toolchain than the distribution's will do.
        gcc) command -v cc >/dev/null && continue ;;
        g++) command -v c++ >/dev/null && continue ;;
        # The buildah of these does without, and Ubuntu 22.04 has none.
        netavark) case $release in bookworm | jammy) continue ;; esac ;;
    esac
    installed "$package" && continue
    say "missing: $package ($why)"
    missing="$missing $package"
done <<EOF
$(packages)
EOF
case $missing in
    # apt refuses one of the pair in another version than the other.
    *qemu-*) missing="$missing qemu-system-x86 qemu-utils" ;;
esac

rust=
"$here/cargo" --which >/dev/null 2>&1 || rust=missing

# An unprivileged user needs a range of subordinate ids to make images.
user=$(id -un)
ids=
if [ "$(id -u)" != 0 ] && ! grep -q -e "^$user:" -e "^$(id -u):" /etc/subuid 2>/dev/null; then ids=missing; fi

# ---- look: what stands in the way ----

if [ -n "$missing$ids" ] && [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        problem "installing packages needs root, and there is no sudo" \
            "run 'make setup' as root once; everything else runs as you"
    elif ! { true </dev/tty; } 2>/dev/null && ! sudo -n true 2>/dev/null; then
        problem "installing packages needs root; sudo asks for a password, and there is no terminal to ask at" \
            "run 'make setup' in a terminal, or as root, once; everything else runs as you"
    fi
fi

# room FOLDER MIB WHY
room() {
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$2" ] || problem "$1 has $free MiB free, and $3 takes about $2 MiB" "make room there, or work in a clone elsewhere"
}
[ -f "$here/../resources/manifest.json" ] || room "$(dirname "$here")" 6000 "building futon and its images"
[ -z "$rust" ] || room "$(dirname "$here")" 2000 "a Rust of futon's own"
[ -z "$missing" ] || room /var/cache/apt 1500 "installing packages"

# Images are made in namespaces: a user's own, or root's. (Ubuntu 24.04 refuses them to programs without an AppArmor profile; the programs
# that make images have one there.)
restricted=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ "$(id -u)" = 0 ]; then
    unshare --mount true 2>/dev/null || problem "root cannot make a mount namespace here, as in a container without privileges" \
        "use a machine, a virtual machine, or a container with 'docker run --privileged'"
elif ! { [ -r $restricted ] && [ "$(cat $restricted)" = 1 ]; }; then
    unshare --user --map-root-user --mount true 2>/dev/null || problem "this system refuses user namespaces to $user" \
        "as root: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000; a root entered by chroot, or a container, refuses them, too"
fi

if [ $problems -gt 0 ]; then
    say "nothing was installed"
    exit 3
fi

# ---- do ----

if [ -n "$missing" ]; then
    say "installing with apt:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || true
    # A package source that has nothing to do with futon may be out of order; what counts is whether these can be had.
    # shellcheck disable=SC2086 # a list of words
    if ! apt-get install --simulate -qq --no-install-recommends $missing >/dev/null; then
        problem "apt cannot install these packages; nothing was installed" \
            "is the network there, and the distribution's main archive among apt's sources? 'apt-get update' says more"
        exit 3
    fi
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
        --no-install-recommends $missing </dev/null >&2 || {
        problem "apt could not install the packages" "its messages are above; 'make setup' goes on where it stopped"
        exit 3
    }
fi

if [ -n "$ids" ]; then
    say "giving $user the subordinate ids 100000-165535"
    as_root usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$user"
fi

if [ -n "$rust" ]; then
    say "there is no Rust of $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml") or newer: bringing Debian's into .rust/, for futon alone (no root, nothing in your home)"
    sh "$here/rust.sh"
fi

# Ubuntu 24.04 refuses namespaces to programs without an AppArmor profile.
if [ -r $restricted ] && [ "$(cat $restricted)" = 1 ] && [ ! -e /etc/apparmor.d/futon ]; then
    profile=$here/apparmor-futon
    if [ "${APPARMOR:-}" = yes ]; then
        say "installing the AppArmor profile that lets futon make namespaces"
        root=$(cd "$here/.." && pwd)
        sed "s|@ROOT@|$root|" "$profile" | as_root tee /etc/apparmor.d/futon >/dev/null
        as_root apparmor_parser -r /etc/apparmor.d/futon
    else
        say "this system refuses network namespaces to futon: machines will use the host's port 3003, one at a time"
        hint "'make setup APPARMOR=yes' installs the profile $profile, which allows them to futon alone"
    fi
fi
say "set-up: all is there"
