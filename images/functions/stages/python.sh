#!/bin/sh
# python.sh OUT ROOT SOURCES: the layer that the Python images share: Python and
# the locked wheels, compiled ahead.
set -eu
# shellcheck disable=SC2034 # for enter
made=$1 root=$2 sources=$3
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"

unpack "$root" "$made" python3.13-minimal libpython3.13-minimal libpython3.13-stdlib \
	libexpat1 libffi8 libbz2-1.0 liblzma5 libuuid1
ln -s python3.13 "$made/usr/bin/python3"
ln -s python3.13 "$made/usr/bin/python"
(
	cd "$made"
	rm -rf usr/share var etc lib usr/lib/python3.13/sitecustomize.py
	cd usr/lib/python3.13
	rm -rf ensurepip idlelib lib2to3 pydoc_data test tkinter turtledemo turtle.py _sysconfigdata*  config-* \
		lib-dynload/_curses* lib-dynload/_dbm* lib-dynload/_gdbm* lib-dynload/_sqlite3* lib-dynload/_test* \
		lib-dynload/readline* lib-dynload/xx* curses dbm sqlite3
)
packages=usr/local/lib/python3.13/dist-packages
enter "$root/root" python3 -m pip install --quiet --no-deps --require-hashes --only-binary :all: --no-compile \
	--root-user-action ignore --cache-dir /cache/pip --target "/out/$packages" -r /src/requirements.txt
# The image's files all get one date: compiled files must not be checked by it.
(cd "$made" && find "$packages" -name '*.so') | while IFS= read -r file; do
	enter "$root/root" strip --strip-unneeded "/out/$file"
done
enter "$root/root" python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /out \
	/out/usr/lib/python3.13 "/out/$packages"
