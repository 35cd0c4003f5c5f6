#!/bin/sh
# futon's run script: runs in the guest, as root, when gem5.service has found it.
#
# Fetches the guest tools, pulls the function image, starts the container, waits until it serves, invokes it, saves the container's
# log, stops it, uploads results.log and switches the machine off. The first step that fails decides; the container's log is saved and the
# container stopped all the same. Works with futon's exchange and, with less proof, with any server that takes curl's uploads:
#
#     python3 -m uploadserver -d tmp/ 3003    # tmp/ holds run.sh, futon-guest, test-client and, if wanted, functions.yaml and run.env
#
# What a container says goes to results.log and container.log, never to the console: there the kernel alone is heard.
set -u

IMAGE='<__IMAGE_NAME__>'
FUTON_TOKEN='<__FUTON_TOKEN__>'

# The exchange puts the run's token in the line above, for its first reader alone. What is still a placeholder is none.
case $FUTON_TOKEN in '<'*) FUTON_TOKEN='' ;; esac
# The other limits come with run.env, which is fetched under this one.
LIMIT_FETCH='<__LIMIT_FETCH__>'
case $LIMIT_FETCH in '<'*) LIMIT_FETCH=60s ;; esac

FOLDER=/run/futon
FUTON_LOG=$FOLDER/results.log
PATH=$FOLDER:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=${HOME:-/root}
export FUTON_TOKEN FUTON_LOG PATH HOME
umask 077
# Some initrds mount /run without the right to execute. In a fork it has it, and a shell's read is a system call for each byte.
[ -n "${FUTON_FORK:-}" ] || while read -r _ at _ options _; do
    case "$at $options" in '/run '*noexec*) mount -o remount,exec /run ;; esac
done </proc/mounts
[ -d $FOLDER ] || mkdir -p $FOLDER
cd $FOLDER || exit 1
# A fork's folder has nothing of an earlier run, and each program that need not start is time under emulation.
[ -n "${FUTON_FORK:-}" ] || rm -f "$FUTON_LOG" no-events client.json replies.bin load.bin container.log

# --- The exchange and the guest tool, with nothing but curl.
find_tool() {
    gateway=$(ip -4 route show default 2>/dev/null | sed -n 's/.* via \([0-9.]*\).*/\1/p' | head -n 1)
    for try in 1 2 3 4 5; do
        for url in ${FUTON_URL:-} ${gateway:+http://$gateway:3003} http://10.0.2.2:3003; do
            if curl -fsS --connect-timeout 3 --max-time 60 -H "x-futon-token: $FUTON_TOKEN" -o futon-guest.part "$url/futon-guest" 2>curl.log; then
                chmod 755 futon-guest.part && mv futon-guest.part futon-guest
                FUTON_URL=$url
                return 0
            fi
        done
        # The image's own tool will do where the server has none.
        [ "$try" -gt 1 ] && command -v futon-guest >/dev/null && return 0
        sleep "$try"
    done
    return 1
}
# Without the tool.
upload_plainly() {
    curl -fsS --max-time 30 -H "x-futon-token: $FUTON_TOKEN" -F "files=@$FUTON_LOG" "${FUTON_URL:-${url:-http://10.0.2.2:3003}}/upload" || echo 'futon: no upload either'
}
# A fork has it: the machine that was saved fetched it, and another futon-guest is another warm base.
if [ -n "${FUTON_FORK:-}" ] && [ -x futon-guest ]; then :; elif ! find_tool; then
    {
        echo '=== step fetch'
        cat curl.log
        echo "FAIL: step fetch: cannot get futon-guest from ${url:-the exchange}"
    } >>"$FUTON_LOG"
    echo "futon: cannot get futon-guest from ${url:-the exchange}"
    upload_plainly
    sync
    poweroff -f || echo o >/proc/sysrq-trigger
    exit 1
fi
[ -z "${FUTON_URL:-}" ] || export FUTON_URL

# Compose without the docker command before it, which only starts it after asking every plugin what it is: seconds, under emulation.
COMPOSE='docker compose'
for program in /usr/libexec/docker/cli-plugins/docker-compose /usr/lib/docker/cli-plugins/docker-compose; do
    [ ! -x $program ] || COMPOSE=$program
done
export COMPOSE

# --- Steps. status and why are those of the first that failed.
status=0
why=''
step() {
    name=$1 limit=$2
    shift 2
    futon-guest step "$name" --timeout "$limit" "$@"
    code=$?
    if [ $code -ne 0 ] && [ $status -eq 0 ]; then
        status=$code
        case $code in
        124) why="step $name: time limit of $limit struck" ;;
        *) why="step $name: exit status $code" ;;
        esac
    fi
    return $code
}

# What futon's exchange promises must be there; from other servers the last two files are optional.
# (A step that is one of futon-guest's own verbs starts no program.)
if [ -n "$FUTON_TOKEN" ]; then
    step fetch "$LIMIT_FETCH" -- futon-guest get test-client functions.yaml run.env calls.bin
else
    # shellcheck disable=SC2016 # the inner shell expands
    step fetch "$LIMIT_FETCH" -- sh -c '
        futon-guest get test-client || exit
        futon-guest get functions.yaml run.env && exit
        echo "no functions.yaml and run.env: the defaults will do"
        rm -f functions.yaml run.env
    '
fi

# The defaults for an image of which nothing else is known; run.env, which futon writes, has its own values for all of them.
name=${IMAGE##*/}
name=${name%%[:@]*}
IMAGES=$IMAGE SERVICE='' REQUESTS='' COMPOSE_WHY='' CONTAINER=function ADDRESS=127.0.0.1 PORT=50000
FIND='' PUBLISHED='' COMPANIONS='' HANDOVER='' PROBE='' REPORT=client.json
CLIENT_ARGS="-function-name $name -url 127.0.0.1 -port $PORT -n 20"
LIMIT_PULL=180s LIMIT_START=60s LIMIT_READY=60s LIMIT_INVOKE=300s LIMIT_LOG=30s LIMIT_STOP=60s
# shellcheck source=/dev/null # written by the host
[ $status -ne 0 ] || ! [ -f run.env ] || . ./run.env

# What services need: ports that no connection of this machine's may have, files of the host.
set --
keep=/proc/sys/net/ipv4/ip_local_reserved_ports
if [ -n "$PUBLISHED" ] && [ -w $keep ]; then
    read -r reserved <$keep
    for port in $PUBLISHED; do
        set -- "$@" --publish "$port"
        reserved=${reserved:+$reserved,}$port
    done
    # Before the images are pulled: that makes connections.
    echo "$reserved" >$keep
fi
[ -z "$HANDOVER" ] || set -- "$@" --files "$HANDOVER"

if [ $status -eq 0 ]; then
    # shellcheck disable=SC2086 # a list of names
    step pull "$LIMIT_PULL" -- futon-guest pull $IMAGES
fi

started=no
if [ $status -eq 0 ]; then
    started=yes
    # The host has turned the service into the requests that Compose would make, unless it has a key that is Compose's alone.
    if [ -n "$REQUESTS" ]; then
        step start "$LIMIT_START" -- futon-guest up "$REQUESTS" --get --report "$CONTAINER" "$@"
    else
        # shellcheck disable=SC2016 # the inner shell expands
        step start "$LIMIT_START" -- sh -c '
            service=$1 container=$2 port=$3 image=$4 why=$5
            shift 5
            [ $# -eq 0 ] || futon-guest prepare "$@" || exit
            if [ -n "$service" ]; then
                [ -z "$why" ] || echo "left to docker compose: $why"
                # Nothing of this script'\''s environment is for the services: what they get of the host is in the file.
                # All of the file: it has what is to run and nothing else.
                env -i PATH="$PATH" HOME="$HOME" $COMPOSE -f functions.yaml up -d --pull never --no-build
            else
                docker run -d --pull never --name "$container" -p "$port:50051" "$image"
            fi && futon-guest container "$container"
        ' sh "$SERVICE" "$CONTAINER" "$PORT" "$IMAGE" "$COMPOSE_WHY" "$@"
    fi
fi

# Where the function answers, as far as only the engine knows. What it cannot find it says in the step that waits there.
if [ $status -eq 0 ] && [ -n "$FIND" ]; then
    # shellcheck disable=SC2086 # two words
    found=$(futon-guest find "$CONTAINER" $FIND 2>>"$FUTON_LOG") && ADDRESS=${found% *} PORT=${found#* }
fi

if [ $status -eq 0 ]; then
    step ready "$LIMIT_READY" -- \
        futon-guest ready --container "$CONTAINER" --address "$ADDRESS" --port "$PORT" --timeout "$LIMIT_READY" ${PROBE:+--probe "$PROBE"}
fi

if [ $status -eq 0 ]; then
    # Quoted by the host for just this.
    eval "set -- $CLIENT_ARGS"
    [ -z "$FIND" ] || set -- "$@" -url "$ADDRESS" -port "$PORT"
    # The client's report matters most when a call went wrong.
    step invoke "$LIMIT_INVOKE" --put "$REPORT" -- test-client "$@" -report "$REPORT"
fi

if [ $started = yes ]; then
    # And its state, and those of the services that it needs.
    # shellcheck disable=SC2086 # a list of words
    step log "$LIMIT_LOG" -- futon-guest log "$CONTAINER" container.log $COMPANIONS
    # The function's container alone: whatever runs beside it goes with the machine.
    step stop "$LIMIT_STOP" -- futon-guest stop "$CONTAINER"
fi

if [ $status -eq 0 ]; then
    futon-guest finish --status 0 --poweroff
else
    futon-guest finish --status $status --why "$why" --poweroff
fi
# Not reached, unless the tool is too old for this script: the image's own, where the server has none.
upload_plainly
futon-guest poweroff
