#!/bin/sh
# A new user's steps with the package: `apt install`, then `futon test` of an image archive, as an ordinary user in bare roots of Debian 12 and
# 13, without a checkout, a Rust toolchain or an engine.
#
#   SUITES='bookworm trixie' sh scripts/dist-test.sh [PACKAGE [ARCHIVE]]
#
# PACKAGE is the newest in target/dist; ARCHIVE (`docker save`) is that of fibonacci-go, made from what `futon images build` has left. Needs
# root and mmdebstrap. Works in DIST_WORK (default target/dist-test), 5 GB, removed after it; logs stay.
set -eu
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH
repo=$(cd "$(dirname "$0")/.." && pwd)
cd "$repo"
say() { printf '==> %s\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { echo 'error: this needs root to make bare Debian roots' >&2; exit 3; }
command -v mmdebstrap >/dev/null || { echo "error: mmdebstrap is missing" >&2; echo "hint: make setup" >&2; exit 3; }
# shellcheck disable=SC2012 # names of our own
package=${1:-$(ls -t target/dist/futon_*_amd64.deb 2>/dev/null | head -n 1)}
[ -f "$package" ] || { echo 'error: there is no package' >&2; echo 'hint: make dist' >&2; exit 3; }
work=${DIST_WORK:-$repo/target/dist-test}
mkdir -p "$work"
work=$(cd "$work" && pwd)
images=$repo/images
keyring_copy=
trap 'rm -rf "$work"/root-* "$work/made" "$work/function.tar" "$keyring_copy"' EXIT
trap 'exit 130' INT TERM HUP
# shellcheck source=scripts/bareroot.sh
. scripts/bareroot.sh

archive=${2:-}
if [ -z "$archive" ]; then
    archive=$work/function.tar
    rm -f "$archive"
    skopeo --insecure-policy copy --quiet "oci:${RESOURCES:-resources}/.work/layouts/fibonacci-go" "docker-archive:$archive:me/fibonacci-go:v1"
fi

status=0
for suite in ${SUITES:-bookworm trixie}; do
    say "a bare Debian root: $suite"
    bare_root "$suite" ca-certificates,sudo
    bare=$work/root-$suite home=$work/root-$suite/home/me
    cp "$package" "$home/futon.deb"
    cp "$archive" "$home/function.tar"
    chroot "$bare" chown -R me: /home/me
    log=$work/$suite.log
    begin=$(date +%s)
    result=passed
    {
        say "sudo apt-get install ./futon.deb"
        enter "$bare" me . /bin/sh -c 'sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ./futon.deb' &&
            say "futon test ./function.tar" &&
            enter "$bare" me . HOME=/home/me /usr/bin/futon test ./function.tar --out run &&
            say "checking the installed files" &&
            enter "$bare" me . HOME=/home/me /bin/sh -euc 'futon --version; futon images list; test ! -e resources
                test -f .local/share/futon/manifest.json; test -f /usr/share/man/man1/futon-test.1.gz
                ! command -v cargo; ! ls /home/me/.cargo 2>/dev/null; grep -q "\"outcome\": \"passed\"" run/report.json'
    } >"$log" 2>&1 || result=failed
    [ "$result" = passed ] || { tail -n 30 "$log" >&2; status=1; }
    say "$suite: $result in $(($(date +%s) - begin)) s (log: $log)"
    rm -rf "$bare"
done
exit $status
