#!/bin/sh
# What a stranger meets: `make demo` (and `make test` with FRESH=test) in bare roots of Debian 12 and 13, with nothing but git, make,
# ca-certificates and sudo, in an empty environment, as an ordinary user who may use sudo and as root.
#
#   FRESH='demo test' SUITES='bookworm trixie' USERS='me root' sh scripts/fresh.sh
#
# Needs root, mmdebstrap and git. Works in FRESH_WORK (default resources/.work/fresh), 6 GB for each run, removed after it; logs stay.
set -eu
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH
repo=$(cd "$(dirname "$0")/.." && pwd)
# The commands in their order: test builds on what demo has made.
commands=demo
case " ${FRESH:-demo} " in *' test '*) commands='demo test' ;; esac
suites=${SUITES:-bookworm trixie}
users=${USERS:-me root}
work=${FRESH_WORK:-$repo/resources/.work/fresh}

say() { printf '==> %s\n' "$*" >&2; }
if [ "$(id -u)" != 0 ]; then
    echo 'error: make fresh makes machines of its own, and needs root for it' >&2
    echo 'hint: sudo make fresh' >&2
    exit 3
fi
command -v mmdebstrap >/dev/null || { echo "error: mmdebstrap is missing" >&2; echo "hint: make setup" >&2; exit 3; }
mkdir -p "$work"
work=$(cd "$work" && pwd)
exec 9>"$work/lock"
flock --nonblock 9 || { echo "error: another make fresh works in $work" >&2; exit 3; }
table=$work/table
: >"$table"
images=$repo/images
keyring_copy=
trap 'rm -rf "$work"/run "$work"/root-* "$keyring_copy"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# bare_root SUITE: what an administrator has after the smallest installation, and how this host reaches the network.
bare_root() {
    bare=$work/root-$1 suite=$1
    rm -rf "$bare"
    mkdir "$bare" "$work/made" 2>/dev/null || mkdir -p "$bare" "$work/made"
    # shellcheck source=images/keyring.sh
    . "$images/keyring.sh"
    apt-config dump Acquire | grep -iE '(::Proxy|::CAInfo)' >"$work/made/apt.conf" || echo 'Acquire::Languages "none";' >"$work/made/apt.conf"
    mmdebstrap --quiet --mode=root --variant=minbase "$@" --include=git,make,ca-certificates,sudo --aptopt="$work/made/apt.conf" \
        --format=directory "$suite" "$bare" >"$work/root-$suite.log" 2>&1 || { tail -n 20 "$work/root-$suite.log" >&2; return 1; }
    cp /etc/resolv.conf "$bare/etc/resolv.conf"
    echo '127.0.0.1 localhost' >"$bare/etc/hosts"
    [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$bare/etc/pip.conf"
    # Authorities of the host's own network.
    cp /usr/local/share/ca-certificates/*.crt "$bare/usr/local/share/ca-certificates/" 2>/dev/null || true
    chroot "$bare" update-ca-certificates >/dev/null 2>&1
    chroot "$bare" useradd --create-home --shell /bin/bash me
    echo 'me ALL=(ALL) NOPASSWD: ALL' >"$bare/etc/sudoers.d/me"
    # What setup does for a user is part of the test.
    sed -i '/^me:/d' "$bare/etc/subuid" "$bare/etc/subgid"
}

# enter ROOT USER COMMAND…: runs a command in a root that is a mount namespace's own root: one entered by chroot would refuse user namespaces.
enter() {
    # shellcheck disable=SC2016 # the inner shell expands
    unshare --mount --pid --fork --kill-child --propagation private sh -euc '
        root=$1 user=$2
        shift 2
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t sysfs sysfs "$root/sys"
        mount -t tmpfs -o mode=755 tmpfs "$root/run"
        cd "$root"
        mkdir -p .old
        pivot_root . .old
        cd /
        umount -l /.old
        rmdir /.old
        home=$(getent passwd "$user" | cut -d: -f6)
        cd "$home/futon"
        exec setpriv --reuid "$user" --regid "$user" --init-groups env -i "$@"
    ' enter "$@" </dev/null
}

status=0
for suite in $suites; do
    say "a bare Debian root: $suite"
    bare_root "$suite" || { printf '%s|-|root|failed|0\n' "$suite" >>"$table"; status=1; continue; }
    for user in $users; do
        root=$work/run
        rm -rf "$root"
        cp -a "$work/root-$suite" "$root"
        home=$root/home/me
        [ "$user" != root ] || home=$root/root
        git clone --quiet --no-hardlinks "$repo" "$home/futon"
        chroot "$root" chown -R "$user:" "${home#"$root"}/futon"
        for command in $commands; do
            log=$work/$suite-$user-$command.log
            say "$suite, as $user: make $command (log: $log)"
            begin=$(date +%s)
            result=passed
            enter "$root" "$user" /usr/bin/make "$command" >"$log" 2>&1 || result=failed
            printf '%s|%s|make %s|%s|%s\n' "$suite" "$user" "$command" "$result" "$(($(date +%s) - begin))" >>"$table"
            [ "$result" = passed ] || { tail -n 30 "$log" >&2; status=1; break; }
        done
        # Nothing of futon may be in the user's home, but for the clone.
        left=$(find "$home" -mindepth 1 -maxdepth 1 ! -name futon ! -name '.bash*' ! -name .profile ! -name .wget-hsts -printf '%f ')
        [ -z "$left" ] || { printf '%s|%s|home: %s|failed|0\n' "$suite" "$user" "$left" >>"$table"; status=1; }
        rm -rf "$root"
    done
    rm -rf "$work/root-$suite"
done
awk -F'|' 'BEGIN { printf "\n%-10s %-6s %-20s %-7s %8s\n", "Debian", "user", "what", "result", "seconds" }
    { printf "%-10s %-6s %-20s %-7s %8d\n", $1, $2, $3, $4, $5 }' "$table"
exit $status
