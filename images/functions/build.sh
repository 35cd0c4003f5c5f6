#!/bin/sh
# Makes the container images of the sample functions, without a container engine.
#
#   build.sh --work DIR --out DIR NAME...
#
# For each NAME (a folder of functions/, such as fibonacci-go, or memcached) it
# makes the OCI image layout DIR/NAME. It works as root and as a user with subordinate ids
# (/etc/subuid); see README.md for how and why. This file knows the order of the
# work and what is up to date; stages/ knows how each thing is made.
set -eu
# chroot is in /usr/sbin, which is not on everybody's path.
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH

here=$(cd "$(dirname "$0")" && pwd)
functions=$(cd "$here/../../functions" && pwd)
repo=$(cd "$here/../.." && pwd)

usage() {
	echo "usage: build.sh --work DIR --out DIR NAME..." >&2
	exit 2
}

# Progress goes to standard error, each line with what it is about.
say() {
	echo "$1: $2" >&2
}

fail() {
	say "$1" "$2"
	echo "hint: $3" >&2
	exit 1
}

# ---- command line ----

work='' out='' names=''
while [ $# -gt 0 ]; do
	case $1 in
	--work) [ $# -ge 2 ] || usage; work=$2; shift 2 ;;
	--out) [ $# -ge 2 ] || usage; out=$2; shift 2 ;;
	-*) usage ;;
	*) names="$names $1"; shift ;;
	esac
done
if [ -z "$work" ] || [ -z "$out" ] || [ -z "$names" ]; then usage; fi

need_go='' need_python='' need_nodejs='' need_emulator='' need_memcached='' wheels='' rusts=''
for name in $names; do
	case $name in
	*/* | .*) known= ;;
	*-go) known=$functions/$name/main.go need_go=yes ;;
	*-rust) known=$functions/$name/src/main.rs rusts="$rusts $name" ;;
	*-python) known=$functions/$name/server.py need_python=yes ;;
	*-nodejs) known=$functions/$name/server.js need_nodejs=yes ;;
	memcached) known=$here/stages/memcached.sh need_memcached=yes ;;
	*) known= ;;
	esac
	if [ -z "$known" ] || [ ! -f "$known" ]; then
		say "$name" "no such function"
		echo "hint: name a folder of $functions that ends with -go, -rust, -python or -nodejs, or memcached" >&2
		exit 2
	fi
	case $name in
	lambda-*) need_emulator=yes ;;
	esac
	case $name in
	*-python) [ ! -f "$functions/$name/requirements.txt" ] || wheels="$wheels $name" ;;
	esac
done

for tool in mmdebstrap buildah flock dpkg-deb unshare sha256sum; do
	command -v "$tool" >/dev/null ||
		fail build.sh "$tool is missing" "install mmdebstrap, buildah, uidmap and util-linux"
done

# Files in an image belong to many users. A user who is not root gets them in a
# user namespace; this script then runs in there, from its start.
if [ "$(id -u)" -ne 0 ]; then
	mkdir -p "$work/storage" "$work/run"
	# shellcheck disable=SC2086 # names are plain words, checked above
	exec buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs \
		unshare -- sh "$here/build.sh" --work "$work" --out "$out" $names
fi

mkdir -p "$work/stages" "$out"
work=$(cd "$work" && pwd)
out=$(cd "$out" && pwd)
export FUTON_WORK="$work"

# ---- one at a time, and nothing left behind ----

exec 9>"$work/lock"
if ! flock --nonblock 9; then
	say build.sh "waiting for another build in $work"
	flock 9
fi

end_tree() {
	# shellcheck disable=SC2013 # words are meant: process ids
	for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		end_tree "$child"
	done
	[ "$1" = "$$" ] || kill "$1" 2>/dev/null || true
}
trap 'end_tree $$; rm -rf "$out"/.new.* "$work"/stages/*.new' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- what is up to date ----

# Prints one line "HASH  INPUT" for each input: a file, a folder (every file in
# it, not tests), or a value given as =TEXT.
list_inputs() {
	for input in "$@"; do
		case $input in
		=*) printf '%s  %s\n' "$(printf %s "$input" | sha256sum | cut -c1-64)" "${input#=}" ;;
		*) find "$input" -name __pycache__ -prune -o -type f ! -name '*_test.*' -print |
			LC_ALL=C sort | while IFS= read -r file; do sha256sum "$file"; done |
			sed "s|  $repo/|  |; s|  $work/|  |" ;;
		esac
	done
}

# up_to_date LABEL THING INPUTS: says why not. THING.inputs is what THING was made from.
up_to_date() {
	if [ ! -e "$2" ] || [ ! -e "$2.inputs" ]; then
		say "$1" "building because it is not there yet"
		return 1
	fi
	changed=$(diff "$2.inputs" "$3" | sed -n 's/^[<>] [0-9a-f]*  //p' | head -n 1)
	[ -z "$changed" ] && return 0
	say "$1" "building because $changed changed"
	return 1
}

# stage LABEL NAME SCRIPT ARGUMENTS -- INPUTS: makes $work/stages/NAME by running
# stages/SCRIPT with the name of an empty folder to fill and ARGUMENTS.
stage() {
	label=$1 made=$work/stages/$2 script=$here/stages/$3
	shift 3
	arguments=
	while [ "$1" != -- ]; do
		arguments="$arguments $1"
		shift
	done
	shift
	list_inputs "$script" "$here/stages/enter.sh" "$@" >"$made.wanted"
	up_to_date "$label" "$made" "$made.wanted" && return 0
	rm -rf "$made.new"
	mkdir "$made.new"
	# shellcheck disable=SC2086 # arguments are plain words
	sh "$script" "$made.new" $arguments 2>"$made.log" >&2 || {
		tail -n 20 "$made.log" >&2
		fail "$label" "stage $(basename "$made") failed" "the whole log is $made.log"
	}
	rm -rf "$made" "$made.inputs"
	mv "$made.new" "$made"
	mv "$made.wanted" "$made.inputs"
	say "$label" "stage $(basename "$made") done"
}

# ---- the stages ----

go_packages="golang-go ca-certificates base-files dash"
script_packages="ca-certificates base-files dash libstdc++6 zlib1g libssl3t64
	python3-minimal python3-pip nodejs npm icu-devtools binutils"
memcached_packages=memcached
stages=$work/stages

make_go() {
	# shellcheck disable=SC2086
	stage go root-go root.sh $go_packages -- "$here/../chrootless.sh" "=packages $go_packages"
	[ -z "$need_go" ] ||
		stage go go go.sh "$stages/root-go" "$functions" -- \
			"$stages/root-go.inputs" "$functions/go.mod" "$functions/go.sum" "$functions/internal" \
			"$functions"/*-go
	[ -z "$need_emulator" ] ||
		stage emulator emulator emulator.sh "$stages/root-go" "$functions/lambda-python/emulator" -- \
			"$stages/root-go.inputs" "$functions/lambda-python/emulator"
}

make_rust() {
	for name in $rusts; do
		stage "$name" "rust-$name" rust.sh "$name" "$functions" -- "$functions/$name" "$functions/proto"
	done
}

make_scripts() {
	# shellcheck disable=SC2086
	stage scripts root-scripts root.sh $script_packages -- "$here/../chrootless.sh" "=packages $script_packages"
	stage scripts base base.sh "$stages/root-scripts" -- "$stages/root-scripts.inputs"
	[ -z "$need_python" ] ||
		stage python python python.sh "$stages/root-scripts" "$functions/python" -- \
			"$stages/root-scripts.inputs" "$here/stages/pip.sh" "$functions/python/requirements.txt"
	for name in $wheels; do
		stage "$name" "wheels-$name" wheels.sh "$stages/root-scripts" "$functions/$name" -- \
			"$stages/root-scripts.inputs" "$here/stages/pip.sh" "$functions/$name/requirements.txt"
	done
	[ -z "$need_nodejs" ] ||
		stage nodejs nodejs nodejs.sh "$stages/root-scripts" "$functions/nodejs" -- \
			"$stages/root-scripts.inputs" "$here/stages/icu-keep.txt" "$functions/nodejs/package.json" "$functions/nodejs/package-lock.json" "$functions/nodejs/serve.js"
	[ -n "$need_memcached" ] || return 0
	stage memcached root-memcached root.sh $memcached_packages -- "$here/../chrootless.sh" "=packages $memcached_packages"
	stage memcached memcached memcached.sh "$stages/root-memcached" -- "$stages/root-memcached.inputs"
}

# The two chains wait for the network as much as for the processor: side by side.
# Whatever takes long runs in the background, as traps run only during a wait.
go_job='' script_job='' rust_job='' failed=''
if [ -n "$need_go$need_emulator" ]; then
	make_go &
	go_job=$!
fi
if [ -n "$need_python$need_nodejs$need_memcached" ]; then
	make_scripts &
	script_job=$!
fi
if [ -n "$rusts" ]; then
	make_rust &
	rust_job=$!
fi
for job in $go_job $script_job $rust_job; do
	wait "$job" || failed=yes
done
[ -z "$failed" ] || exit 1

# ---- the images ----

for name in $names; do
	image=$stages/image-$name
	case $name in
	*-go) list_inputs "$here/stages/image.sh" "$stages/go/$name" ;;
	*-rust) list_inputs "$here/stages/image.sh" "$stages/rust-$name" ;;
	*-python) list_inputs "$here/stages/image.sh" "$stages/base.inputs" "$stages/python.inputs" \
		"$functions/python/serve.py" "$functions/$name" ;;
	memcached) list_inputs "$here/stages/image.sh" "$stages/base.inputs" "$stages/memcached.inputs" ;;
	*-nodejs) list_inputs "$here/stages/image.sh" "$stages/base.inputs" "$stages/nodejs.inputs" "$functions/$name" ;;
	esac >"$image.wanted"
	case " $wheels " in
	*" $name "*) list_inputs "$stages/wheels-$name.inputs" >>"$image.wanted" ;;
	esac
	case $name in
	lambda-*) list_inputs "$stages/emulator.inputs" >>"$image.wanted" ;;
	esac
	# The layout itself is in another folder, perhaps emptied by its owner.
	if [ -f "$out/$name/index.json" ]; then : >"$image"; else rm -f "$image"; fi
	if up_to_date "$name" "$image" "$image.wanted"; then
		say "$name" "up to date"
		continue
	fi
	new=$out/.new.$name
	rm -rf "$new" "$image.inputs"
	sh "$here/stages/image.sh" "$new" "$name" "$functions" "$stages" 2>"$image.log" >&2 &
	wait $! || {
		tail -n 20 "$image.log" >&2
		fail "$name" "the image could not be assembled" "the whole log is $image.log"
	}
	rm -rf "${out:?}/$name"
	mv "$new" "$out/$name"
	mv "$image.wanted" "$image.inputs"
	: >"$image"
	say "$name" "image ready in $out/$name"
done
