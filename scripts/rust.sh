#!/bin/sh
# Puts futon's own Rust into .rust/: Debian's packages, from Debian 13 with backports, unpacked but not installed. No root,
# nothing in the user's home. It uses the loader and libraries of its own Debian, so the host's version of Debian does not matter;
# the linker is the host's cc.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH
out=$here/../.rust
mkdir -p "$out"
out=$(cd "$out" && pwd)
images=$here/../images
made=$out/new

say() { printf '==> %s\n' "$*" >&2; }

exec 9>"$out/lock"
flock 9
if "$here/cargo" --which >/dev/null 2>&1; then exit 0; fi

rm -rf "$made"
mkdir "$made"
# shellcheck source=images/chrootless.sh
. "$images/chrootless.sh"
trap 'rm -rf "$made" "$keyring_copy"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say "unpacking Rust from Debian's packages into .rust/ (about 1 GB)"
# Backports come from the same mirror, and are only used for packages that are explicitly requested.
# shellcheck disable=SC2016 # expanded by the hook's shell
mmdebstrap --quiet "$@" --include=rustc,cargo,rustfmt,rust-clippy --aptopt='APT::Default-Release "trixie-backports"' \
    --setup-hook='sed -n "s/ trixie main.*/ trixie-backports main/p" "$1/etc/apt/sources.list" >"$1/etc/apt/sources.list.d/backports.list"' \
    trixie "$made/root" >"$out/log" 2>&1 </dev/null || {
    tail -n 20 "$out/log" >&2
    printf 'error: cannot unpack Rust (the whole log is in .rust/log)\n' >&2
    exit 3
}
rm -rf "$made/root/var" "$made/root/usr/share/doc"

mkdir "$made/bin"
# Programs that look for others beside themselves look beside the loader, because that is the running program.
cp "$made"/root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$made/bin/ld.so"
# wrapper NAME [ARGUMENT…]
wrapper() {
    name=$1
    shift
    cat >"$made/bin/$name" <<END
#!/bin/sh
# Made by scripts/rust.sh.
bin='$out/bin' root='$out/root'
export CARGO="\$bin/cargo" RUSTC="\$bin/rustc" RUSTDOC="\$bin/rustdoc" SYSROOT="\$root/usr" CARGO_HOME='$out/home'
case :\$PATH: in *:"\$bin":*) ;; *) PATH=\$bin:\$PATH ;; esac
exec "\$bin/ld.so" --library-path "\$root/usr/lib/x86_64-linux-gnu" --argv0 '$out/root/usr/bin/$name' "\$root/usr/bin/$name" $* "\$@"
END
    chmod 755 "$made/bin/$name"
}
for name in cargo cargo-fmt rustfmt cargo-clippy clippy-driver; do wrapper $name; done
# shellcheck disable=SC2016 # expanded by the wrapper
for name in rustc rustdoc; do wrapper $name '--sysroot "$root/usr"'; done
rm -rf "${out:?}/root" "${out:?}/bin"
mv "$made/root" "$made/bin" "$out"
"$here/cargo" --which >/dev/null
say "Rust: $("$out/bin/rustc" --version) is in .rust/"
