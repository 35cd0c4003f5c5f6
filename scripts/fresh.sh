#!/bin/sh
# The experience of a new user: `make demo` (and `make test` with FRESH=test) in bare roots of Debian 12 and 13, with only git, make,
# ca-certificates and sudo, in an empty environment, as an ordinary user with sudo and as root.
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
    echo 'error: make fresh needs root to make bare Debian roots' >&2
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

# shellcheck source=scripts/bareroot.sh
. "$repo/scripts/bareroot.sh"

status=0
for suite in $suites; do
    say "a bare Debian root: $suite"
    bare_root "$suite" git,make,ca-certificates,sudo || { printf '%s|-|root|failed|0\n' "$suite" >>"$table"; status=1; continue; }
    # What setup does for a user is part of the test.
    sed -i '/^me:/d' "$work/root-$suite/etc/subuid" "$work/root-$suite/etc/subgid"
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
            enter "$root" "$user" futon /usr/bin/make "$command" >"$log" 2>&1 || result=failed
            printf '%s|%s|make %s|%s|%s\n' "$suite" "$user" "$command" "$result" "$(($(date +%s) - begin))" >>"$table"
            [ "$result" = passed ] || { tail -n 30 "$log" >&2; status=1; break; }
        done
        # futon may leave nothing in the user's home, except the clone.
        left=$(find "$home" -mindepth 1 -maxdepth 1 ! -name futon ! -name '.bash*' ! -name .profile ! -name .wget-hsts -printf '%f ')
        [ -z "$left" ] || { printf '%s|%s|home: %s|failed|0\n' "$suite" "$user" "$left" >>"$table"; status=1; }
        rm -rf "$root"
    done
    rm -rf "$work/root-$suite"
done
awk -F'|' 'BEGIN { printf "\n%-10s %-6s %-20s %-7s %8s\n", "Debian", "user", "what", "result", "seconds" }
    { printf "%-10s %-6s %-20s %-7s %8d\n", $1, $2, $3, $4, $5 }' "$table"
exit $status
