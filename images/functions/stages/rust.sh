#!/bin/sh
# rust.sh OUT FUNCTION FUNCTIONS: the static program of a Rust function, by the Rust that builds futon: Debian's may be too old for it.
set -eu
made=$1 name=$2 functions=$3
repo=$(cd "$functions/.." && pwd)
cargo=${CARGO:-$repo/scripts/cargo}
# An installed futon has no scripts/.
[ -x "$cargo" ] || cargo=cargo
command -v "$cargo" >/dev/null || {
	echo "there is no cargo: a function in Rust is built by the Rust that is installed" >&2
	exit 1
}
target=x86_64-unknown-linux-gnu
# No path of this machine is in the program: the same source gives the same bytes.
export RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static \
	--remap-path-prefix=$functions=/src --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
export CARGO_TARGET_DIR="$FUTON_WORK/cache/rust"
cd "$functions/$name"
"$cargo" build --release --locked --target "$target"
cp "$CARGO_TARGET_DIR/$target/release/$name" "$made"
