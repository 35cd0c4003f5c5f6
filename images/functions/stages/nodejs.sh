#!/bin/sh
# nodejs.sh OUT ROOT SOURCES: the layer that the Node images share: Node, and serve.js
# with the locked packages in it.
set -eu
# shellcheck disable=SC2034 # for enter
made=$1 root=$2 sources=$3
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"

unpack "$root" "$made" nodejs libnode115 libbrotli1 libcares2 libicu76 libnghttp2-14 libuv1t64 \
	node-acorn node-cjs-module-lexer node-minimatch node-undici
(
	cd "$made"
	rm -rf usr/share/doc usr/share/man usr/share/lintian usr/share/bash-completion usr/include etc usr/lib/node_modules
	rm -f usr/bin/nodejs usr/lib/x86_64-linux-gnu/libicu[it]est* usr/lib/x86_64-linux-gnu/libicutu* \
		usr/lib/x86_64-linux-gnu/libicuio*
	# Of Debian's separate Node modules, only the files that Node's core reads.
	mkdir keep
	(cd usr/share/nodejs && cp --parents cjs-module-lexer/lexer.js cjs-module-lexer/dist/lexer.js \
		undici/undici-fetch.js acorn/dist/acorn.js acorn-walk/dist/walk.js \
		minimatch/dist/cjs/index.bundle.js ../../../keep)
	rm -rf usr/share
	mkdir usr/share
	mv keep usr/share/nodejs
)

# Debian's ICU holds the data of all languages, 31 MB. Keep what Node calls
# "small-icu": English, the root of all others, and what Unicode itself needs.
# shellcheck disable=SC2016 # expanded by the inner shell
enter "$root/root" sh -euc '
	cd /out
	lib=/out/usr/lib/x86_64-linux-gnu
	objcopy -O binary --only-section=.rodata $lib/libicudata.so.76.1 icudt76l.dat
	icupkg -l icudt76l.dat >all.txt
'
grep -vE -f "$(dirname "$0")/icu-keep.txt" "$made/all.txt" >"$made/remove.txt"
mkdir "$made/icu"
cat >"$made/icu/data.s" <<'END'
	.section .rodata
	.globl icudt76_dat
	.type icudt76_dat, @object
	.balign 16
icudt76_dat:
	.incbin "icu/icudt76l.dat"
	.size icudt76_dat, . - icudt76_dat
	.section .note.GNU-stack, "", @progbits
END
enter "$root/root" sh -euc '
	cd /out
	icupkg -r remove.txt icudt76l.dat icu/icudt76l.dat
	as -o icu/data.o icu/data.s
	ld -shared -soname libicudata.so.76 -o usr/lib/x86_64-linux-gnu/libicudata.so.76.1 icu/data.o
'
rm -rf "$made/icu" "$made"/*.txt "$made"/*.dat

# One file in place of 300: node reads, and an emulated machine hashes, a sixth of it.
mkdir "$made/app" "$made/npm"
cp "$sources/package.json" "$sources/package-lock.json" "$sources/serve.js" "$made/npm"
enter "$root/root" sh -euc '
	cd /out/npm
	node /usr/share/nodejs/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --cache /cache/npm
	node node_modules/esbuild/bin/esbuild serve.js --bundle --platform=node --target=node20 --legal-comments=eof --outfile=/out/app/serve.js
'
rm -rf "$made/npm"
