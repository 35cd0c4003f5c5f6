#!/bin/sh
# memcached.sh OUT ROOT: the layer with Debian's memcached.
set -eu
made=$1 root=$2
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"

unpack "$root" "$made" memcached libevent-2.1-7t64 libsasl2-2
(cd "$made" && rm -rf etc lib usr/share usr/lib/systemd usr/lib/sysusers.d usr/lib/x86_64-linux-gnu/sasl2)
