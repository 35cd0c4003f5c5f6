#!/bin/sh
# base.sh OUT ROOT: the layer that the Python and Node images share: C and C++
# libraries, OpenSSL, certificates, users. There is no shell in it.
set -eu
# shellcheck disable=SC2034 # for enter
made=$1 root=$2
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"

unpack "$root" "$made" base-files libc6 libgcc-s1 libstdc++6 zlib1g libzstd1 libssl3t64
cd "$made"
rm -rf usr/share usr/lib/x86_64-linux-gnu/gconv usr/lib/x86_64-linux-gnu/engines-3 \
	usr/lib/debug etc/dpkg etc/update-motd.d var boot home media mnt opt srv root run
mkdir -p etc/ssl/certs usr/share var/tmp root
chmod 1777 tmp var/tmp
cat "$root"/root/usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
echo 'root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin' >etc/passwd
echo 'root:x:0:
nogroup:x:65534:' >etc/group
echo 'hosts: files dns' >etc/nsswitch.conf
