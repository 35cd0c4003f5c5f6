#!/bin/sh
# Runs built function images and checks their replies, without an engine or a VM.
#
#   check.sh --work DIR --out DIR [NAME...]
#
# DIRs as for images/functions/build.sh; without NAMEs, every image in --out.
# Each server runs from its own files, as process 1, in a network of its own.
# Needs python3 with venv and pip, and the same rights as build.sh.
set -eu
# chroot is in /usr/sbin, which is not on everybody's path.
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH
here=$(cd "$(dirname "$0")" && pwd)

work='' out=''
while [ $# -gt 0 ]; do
	case $1 in
	--work) work=$2; shift 2 ;;
	--out) out=$2; shift 2 ;;
	*) break ;;
	esac
done
if [ -z "$work" ] || [ -z "$out" ]; then
	echo "usage: check.sh --work DIR --out DIR [NAME...]" >&2
	exit 2
fi
mkdir -p "$work"
work=$(cd "$work" && pwd)
out=$(cd "$out" && pwd)

venv=$work/check-venv
if [ ! -e "$venv/ready" ]; then
	if ! python3 -m venv --clear "$venv" >/dev/null 2>&1; then
		echo "check.sh: python3 cannot make a virtual environment here" >&2
		echo "hint: make setup installs python3-venv" >&2
		exit 3
	fi
	"$venv/bin/pip" install --quiet --disable-pip-version-check grpcio==1.85.1 grpcio-tools==1.85.1 || {
		echo "check.sh: the client's packages could not be installed" >&2
		exit 3
	}
	: >"$venv/ready"
fi
# The client speaks what protoc makes of proto/, so it also shows that the
# servers' own reading and writing of messages agrees with it.
mkdir -p "$venv/stubs"
for proto in "$here"/../proto/*.proto; do
	"$venv/bin/python" -m grpc_tools.protoc -I "$here/../proto" --python_out="$venv/stubs" \
		--grpc_python_out="$venv/stubs" "$proto"
done

[ $# -gt 0 ] || for layout in "$out"/*/index.json; do
	[ ! -f "$layout" ] || set -- "$@" "$(basename "$(dirname "$layout")")"
done

set -- "$venv/bin/python" "$here/check.py" "$work" "$out" "$@"
export PYTHONPATH="$venv/stubs" PYTHONDONTWRITEBYTECODE=1
# Nothing is left in the user's home. buildah 1.28 puts a lock there, and 1.39 makes the folder.
export XDG_CONFIG_HOME="$work/config"
mkdir -p "$XDG_CONFIG_HOME"
[ "$(id -u)" -eq 0 ] || set -- buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs unshare -- \
	unshare --net -- "$@"
[ "$(id -u)" -ne 0 ] || set -- unshare --net -- "$@"
exec "$@"
