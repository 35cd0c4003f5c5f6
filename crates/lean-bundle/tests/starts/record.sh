#!/bin/sh
# Asks the engine of the docker base's guest again (several minutes under emulation) and writes engine.json and services.json anew.
#   sh crates/lean-bundle/tests/starts/record.sh FUTON DOCKER_COMPOSE
# FUTON is the program, DOCKER_COMPOSE Compose 2.26's own (see docs/lean.md). `git diff` then shows what is different.
set -eu
futon=$1 compose=$2
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$compose" -f "$here/services.yaml" config --format json >"$here/services.json"
FUTON_STARTS=$folder cargo test -q -p lean-bundle --test starts write_image -- --ignored
"$futon" exec "$here/ask.sh" --file "$folder/image.tar" --file "$here/services.yaml" --out "$folder/out" --limit run=14m
tar -C "$folder" -xf "$(find "$folder/out" -name starts.tar)"
FUTON_STARTS=$folder cargo test -q -p lean-bundle --test starts record -- --ignored
cargo test -q -p lean-bundle --test starts
