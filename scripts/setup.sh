#!/bin/sh
# Installs what futon needs: packages with apt, and its own Rust if there is none. Safe to repeat; takes a
# second if nothing is missing. It checks everything first, and lists all problems before it installs anything.
# Nothing else in futon needs root on the host. No package source is added.
# setup.sh tests: what only `make test` needs, too.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Some of Debian's programs are not in ordinary users' PATH, and the caller may have no PATH at all.
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH

say() { printf '==> %s\n' "$*" >&2; }
hint() { printf 'hint: %s\n' "$*" >&2; }
wanted=${1:-users}
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
    [ "$wanted" != tests ] || cat <<'EOF'
slurm-wlm gives the tests of sweeps a cluster of their own
munge is what Slurm's programs trust each other by
EOF
}

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -q '^installed$'; }

# ---- check: what is missing ----

if ! command -v apt-get >/dev/null; then
    problem "this machine has no apt" \
        "futon supports Debian 12 and 13 and Ubuntu 22.04 and 24.04; 'futon doctor' lists what it needs"
    exit 3
fi
[ "$(uname -m)" = x86_64 ] || problem "this machine is $(uname -m)" "futon needs an x86_64 host"

release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
missing=
while read -r package why; do
    case $package in
        # A newer toolchain than the distribution's is fine.
        gcc) command -v cc >/dev/null && continue ;;
        g++) command -v c++ >/dev/null && continue ;;
        # Their buildah does not need it, and Ubuntu 22.04 does not have it.
        netavark) case $release in bookworm | jammy) continue ;; esac ;;
    esac
    installed "$package" && continue
    say "missing: $package ($why)"
    missing="$missing $package"
done <<EOF
$(packages)
EOF
case $missing in
    # apt refuses different versions of these two.
    *qemu-*) missing="$missing qemu-system-x86 qemu-utils" ;;
esac

rust=
"$here/cargo" --which >/dev/null 2>&1 || rust=missing

# An unprivileged user needs a range of subordinate ids to make images.
user=$(id -un)
ids=
if [ "$(id -u)" != 0 ] && ! grep -q -e "^$user:" -e "^$(id -u):" /etc/subuid 2>/dev/null; then
    ids="usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $user"
    say "missing: subordinate ids for $user (builds function images)"
fi

# ---- check: what prevents the installation ----

if [ -n "$missing$ids" ] && [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        # Root's own setup installs packages, and cannot know whom to give ids.
        problem "what is missing needs root, and there is no sudo" \
            "as root, once:${missing:+ make setup}${missing:+${ids:+;}}${ids:+ $ids}; everything else runs as you"
    elif ! { true </dev/tty; } 2>/dev/null && ! sudo -n true 2>/dev/null; then
        problem "what is missing needs root; sudo asks for a password, but there is no terminal" \
            "run 'make setup' in a terminal, or as root, once; everything else runs as you"
    fi
fi

# room FOLDER MIB WHY
room() {
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$2" ] || problem "$1 has $free MiB free, and $3 takes about $2 MiB" "free some space there, or use a clone elsewhere"
}
[ -f "$here/../resources/manifest.json" ] || room "$(dirname "$here")" 6000 "building futon and its images"
[ -z "$rust" ] || room "$(dirname "$here")" 2000 "futon's own Rust"
[ -z "$missing" ] || room /var/cache/apt 1500 "installing packages"

# Images are made in namespaces: a user's own, or root's. (Ubuntu 24.04 denies them to programs without an AppArmor profile; the programs
# that make images have one there.)
restricted=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ "$(id -u)" = 0 ]; then
    unshare --mount true 2>/dev/null || problem "root cannot make a mount namespace here (an unprivileged container?)" \
        "use a machine, a virtual machine, or a container with 'docker run --privileged'"
elif ! { [ -r $restricted ] && [ "$(cat $restricted)" = 1 ]; }; then
    unshare --user --map-root-user --mount true 2>/dev/null || problem "this system denies user namespaces to $user" \
        "as root: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000; chroots and containers deny them, too"
fi

if [ $problems -gt 0 ]; then
    say "nothing was installed"
    exit 3
fi

# ---- install ----

if [ -n "$missing" ]; then
    say "installing with apt:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || true
    # An unrelated package source may be broken; it only matters whether these packages are available.
    # shellcheck disable=SC2086 # a list of words
    if ! apt-get install --simulate -qq --no-install-recommends $missing >/dev/null; then
        problem "apt cannot install these packages; nothing was installed" \
            "is there a network, and is the distribution's main archive among apt's sources? See 'apt-get update'"
        exit 3
    fi
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
        --no-install-recommends $missing </dev/null >&2 || {
        problem "apt could not install the packages" "see apt's messages above; 'make setup' continues where it stopped"
        exit 3
    }
fi

if [ -n "$ids" ]; then
    say "giving $user the subordinate ids 100000-165535"
    # shellcheck disable=SC2086 # a command
    as_root $ids
fi

if [ -n "$rust" ]; then
    say "there is no Rust of $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml") or newer: unpacking Debian's into .rust/, only for futon (no root, nothing in your home)"
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
        say "this system denies futon network namespaces: machines will use the host's port 3003, one at a time"
        hint "'make setup APPARMOR=yes' installs the profile $profile, which allows them only for futon"
    fi
fi
say "setup: nothing is missing"
