#!/bin/sh
# Installs what futon needs and this machine lacks, with apt. Safe to repeat; takes a second when all is there.
# The only part of futon that needs root on the host, and it adds no package source.
set -eu

say() { printf '==> %s\n' "$*" >&2; }
hint() { printf 'hint: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else
        printf 'error: installing packages needs root, and there is no sudo\n' >&2
        hint "run 'make setup' as root once; everything else runs as you"
        exit 3
    fi
}

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
libc6-dev links futon statically
iproute2 gives tests a network of their own
gpg tells mmdebstrap which keys are Debian's
python3 runs checks of the sample functions
python3-venv gives the tests a client and an upload server of their own
EOF
}

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -q '^installed$'; }

if ! command -v apt-get >/dev/null; then
    printf 'error: this machine has no apt\n' >&2
    hint "futon is made for Debian 12 and 13 and Ubuntu 22.04 and 24.04; 'futon doctor' lists what it needs"
    exit 3
fi

release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
missing=
while read -r package why; do
    case $package in
        # A newer toolchain than the distribution's will do.
        gcc) command -v cc >/dev/null && continue ;;
        # The buildah of these does without, and Ubuntu 22.04 has none.
        netavark) case $release in bookworm | jammy) continue ;; esac ;;
    esac
    installed "$package" && continue
    say "missing: $package ($why)"
    missing="$missing $package"
done <<EOF
$(packages)
EOF

if [ -n "$missing" ]; then
    case $missing in
        # apt refuses one of the pair in another version than the other.
        *qemu-*) missing="$missing qemu-system-x86 qemu-utils" ;;
    esac
    say "installing with apt:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends $missing </dev/null >&2
fi

if ! command -v cargo >/dev/null; then
    printf 'error: there is no Rust toolchain\n' >&2
    hint "install Rust 1.89 or newer, as its site says"
    exit 3
fi

# An unprivileged user needs a range of subordinate ids to make images.
user=$(id -un)
if [ "$(id -u)" != 0 ] && ! grep -q "^$user:" /etc/subuid 2>/dev/null; then
    say "giving $user the subordinate ids 100000-165535"
    as_root usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$user"
fi

# Ubuntu 24.04 refuses namespaces to programs without an AppArmor profile.
restricted=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ -r $restricted ] && [ "$(cat $restricted)" = 1 ] && [ ! -e /etc/apparmor.d/futon ]; then
    profile=$(cd "$(dirname "$0")" && pwd)/apparmor-futon
    if [ "${APPARMOR:-}" = yes ]; then
        say "installing the AppArmor profile that lets futon make namespaces"
        root=$(cd "$(dirname "$0")/.." && pwd)
        sed "s|@ROOT@|$root|" "$profile" | as_root tee /etc/apparmor.d/futon >/dev/null
        as_root apparmor_parser -r /etc/apparmor.d/futon
    else
        say "this system refuses network namespaces to futon: machines will use the host's port 3003, one at a time"
        hint "'make setup APPARMOR=yes' installs the profile $profile, which allows them to futon alone"
    fi
fi
say "set-up: all is there"
