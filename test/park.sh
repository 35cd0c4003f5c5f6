#!/bin/sh
# The run script of a warm base: rehearses a run, then waits for the run script of a real one. The machine is saved while it waits;
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

# A whole run of a function that nobody needs, by the programs and in the steps of every run: what the engine and futon's tools read, and
# what an emulator translates for it, is there when the machine is saved. Where it fails the base is colder, not worse.
REHEARSE='<__REHEARSE__>'
REHEARSAL=futon-rehearsal
rehearse() {
    FUTON_LOG=$FOLDER/rehearsal.log
    export FUTON_LOG
    step() {
        name=$1
        shift
        futon-guest step "$name" --timeout 60s "$@"
    }
    step fetch -- futon-guest get test-client &&
        step pull -- futon-guest pull $REHEARSAL &&
        step start -- futon-guest up rehearsal.json --get --report $REHEARSAL &&
        step ready -- futon-guest ready --container $REHEARSAL --port 50000 --timeout 60s &&
        step invoke --put client.json -- test-client -function-name helloworld -url 127.0.0.1 -port 50000 -n 20 -report client.json &&
        step log -- futon-guest log $REHEARSAL container.log &&
        step stop -- futon-guest stop $REHEARSAL
}
case $([ -S /var/run/docker.sock ] && echo "$REHEARSE") in
yes)
    (rehearse) || {
        echo 'futon: the rehearsal failed:'
        tail -n 5 rehearsal.log
        # The warm base's description says why; what went well has uploaded the client's report.
        futon-guest put rehearsal.log
    }
    # A container that stays would be in the way of every run.
    if ! futon-guest forget $REHEARSAL; then
        futon-guest poweroff
        exit 1
    fi
    rm -f rehearsal.log rehearsal.json client.json container.log
    # What goes on for seconds after a container's end goes on now: udev's workers, the engine's own clearing up.
    sleep 5
    # What is written out now need not be by each fork.
    sync
    futon-guest scrub || echo 'futon: freed memory is as it was'
    ;;
never)
    # Nothing is there; but the engine is waited for, and asked what each fork would ask.
    futon-guest forget $REHEARSAL || echo 'futon: the engine does not answer'
    ;;
esac
sync
exec futon-guest park
