#!/bin/sh
# The run script of a warm base: warms the engine up, then waits for the run script of a run. The machine is saved while it waits;
# each run continues a copy of it.
set -u
FOLDER=/run/futon
PATH=$FOLDER:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 077
# Some initrds mount /run without the right to execute.
while read -r _ at _ options _; do
    case "$at $options" in '/run '*noexec*) mount -o remount,exec /run ;; esac
done </proc/mounts
mkdir -p $FOLDER
cd $FOLDER || exit 1

# The guest tool with nothing but curl, so that any base image that fetches run.sh can park.
if ! command -v futon-guest >/dev/null || command -v curl >/dev/null; then
    gateway=$(ip -4 route show default 2>/dev/null | sed -n 's/.* via \([0-9.]*\).*/\1/p' | head -n 1)
    for url in ${FUTON_URL:-} ${gateway:+http://$gateway:3003} http://10.0.2.2:3003; do
        if curl -fsS --connect-timeout 3 --max-time 60 -o futon-guest.part "$url/futon-guest"; then
            chmod 755 futon-guest.part && mv futon-guest.part futon-guest
            FUTON_URL=$url
            export FUTON_URL
            break
        fi
    done
fi

# Images that the runs will want, where the user lets them be kept (futon test --from-cache).
IMAGES='<__IMAGES__>'
# shellcheck disable=SC2086 # a list of names
case $IMAGES in
'' | '<'*) ;;
*)
    if ! futon-guest pull $IMAGES; then
        echo "futon: cannot pull $IMAGES"
        futon-guest poweroff
        exit 1
    fi
    ;;
esac

# One container that nobody needs: it brings the engine's own programs into memory. Where that fails the base is colder, not worse.
[ ! -S /var/run/docker.sock ] || futon-guest warm-up || echo 'futon: no warm-up'
sync
exec futon-guest park
