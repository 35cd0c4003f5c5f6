#!/bin/sh
# python.sh OUT ROOT SOURCES: the layer that the Python images share: Python and
# the locked wheels, compiled ahead.
set -eu
# shellcheck disable=SC2034 # for enter
made=$1 root=$2 sources=$3
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"
# shellcheck source=images/functions/stages/pip.sh
. "$(dirname "$0")/pip.sh"

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
install_wheels "$root/root"
# The image's files all get one date: compiled files must not be checked by it.
enter "$root/root" python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /out \
	/out/usr/lib/python3.13 "/out/$packages"
