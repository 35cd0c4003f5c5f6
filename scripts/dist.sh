#!/bin/sh
# What users install: futon with its recipes and guest tools, manual pages and completions, as a tarball and as a Debian package.
# The same source gives the same bytes: times are those of the last commit (SOURCE_DATE_EPOCH), names are sorted, owners are root.
#
#   scripts/dist.sh [FOLDER]      default target/dist; builds nothing: make dist does
set -eu
umask 022
cd "$(dirname "$0")/.."
bin=target/x86_64-unknown-linux-gnu/release
out=${1:-target/dist}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH LC_ALL=C
mkdir -p "$out"
out=$(cd "$out" && pwd)
made=$(mktemp -d "$out/making-XXXXXX")
chmod 755 "$made"
trap 'rm -rf "$made"' EXIT
trap 'exit 130' INT TERM

# ---- what is installed, below a prefix ----

prefix=$made/futon-$version
lib=$prefix/lib/futon doc=$prefix/share/doc/futon
mkdir -p "$prefix/bin" "$lib" "$doc" "$prefix/share/man/man1" "$prefix/share/bash-completion/completions" \
    "$prefix/share/zsh/vendor-completions" "$prefix/share/fish/vendor_completions.d"
install -m 755 "$bin/futon" "$prefix/bin/futon"
install -m 755 "$bin/futon-guest" "$bin/test-client" "$lib"
# Only what is in the repository: a work tree may hold more. `resources build` runs images/, which read functions/; test/ has the run scripts to
# begin one's own with, gem5/ the configuration to begin one's own with.
git ls-files -z images functions gem5 test | xargs -0 cp --parents -t "$lib"
git ls-files -z docs README.md CHANGELOG.md LICENSE SECURITY.md | xargs -0 cp --parents -t "$doc"
# From within: the pages must name no folder of this machine.
(cd "$made" && env -u RESOURCES "$prefix/bin/futon" manual "$prefix/share/man/man1")
for page in "$prefix"/share/man/man1/*.1; do gzip -9n "$page"; done
"$prefix/bin/futon" completions bash >"$prefix/share/bash-completion/completions/futon"
"$prefix/bin/futon" completions zsh >"$prefix/share/zsh/vendor-completions/_futon"
"$prefix/bin/futon" completions fish >"$prefix/share/fish/vendor_completions.d/futon.fish"

# sealed FOLDER: the times and permissions that everything in a package has.
sealed() {
    find "$1" -type d -exec chmod 755 {} +
    find "$1" -type f -perm /111 -exec chmod 755 {} +
    find "$1" -type f ! -perm /111 -exec chmod 644 {} +
    find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}
sealed "$prefix"
name=futon-$version-x86_64-linux
tar -C "$made" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -cf - "futon-$version" | gzip -9n >"$made/$name.tar.gz"

# ---- the Debian package ----

package=$made/deb
mkdir -p "$package/DEBIAN"
cp -a "$prefix" "$package/usr"
mv "$package/usr/share/doc/futon/LICENSE" "$package/usr/share/doc/futon/copyright"
size=$(du -k --apparent-size -s "$package/usr" | cut -f1)
cat >"$package/DEBIAN/control" <<END
Package: futon
Version: $version
Architecture: amd64
Maintainer: the futon developers <futon@localhost>
Installed-Size: $size
Section: devel
Priority: optional
Depends: qemu-system-x86, qemu-utils, buildah, netavark | buildah (<< 1.29), mmdebstrap, e2fsprogs, uidmap, debian-archive-keyring, ca-certificates, gpg, xz-utils, zstd, cpio
Recommends: skopeo
Description: runs a serverless function under test on a virtual machine
 futon takes a function's container image, boots a base image in QEMU or gem5,
 has the guest pull and start the container, calls it over gRPC, verifies each
 reply, and says with proof whether the function works there.
END
(cd "$package" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
sealed "$package"
deb=futon_${version}_amd64.deb
dpkg-deb --root-owner-group -Zxz --build "$package" "$made/$deb" >/dev/null

mv "$made/$name.tar.gz" "$made/$deb" "$out"
(cd "$out" && sha256sum "$name.tar.gz" "$deb" | tee SHA256SUMS)
