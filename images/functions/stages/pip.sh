# shellcheck shell=sh
# Sourced by stages: Python packages in a layer. $made is the stage's.

packages=usr/local/lib/python3.13/dist-packages

# install_wheels ROOT: the wheels of /src/requirements.txt, by hash. The caller compiles them.
install_wheels() {
	enter "$1" python3 -m pip install --quiet --no-deps --require-hashes --only-binary :all: --no-compile \
		--root-user-action ignore --cache-dir /cache/pip --target "/out/$packages" -r /src/requirements.txt
	# shellcheck disable=SC2154
	(cd "$made" && find "$packages" -name '*.so') | while IFS= read -r file; do
		enter "$1" strip --strip-unneeded "/out/$file"
	done
}
