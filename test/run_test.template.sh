#!/bin/sh
# futon's run script: runs in the guest, as root, when gem5.service has found it.
#
# Fetches the guest tools, pulls the function image, starts the container, waits until it serves, invokes it, saves the container's
# log, stops it, uploads results.log and switches the machine off. The first failed step decides; the container's log is still saved and the
# container stopped. Works with futon's exchange and, with less proof, with any server that accepts curl's uploads:
#
#     python3 -m uploadserver -d tmp/ 3003    # tmp/ holds run.sh, futon-guest, test-client and, if wanted, functions.yaml and run.env
#
# A container's output goes to results.log and container.log, never to the console, which is only for the kernel.
set -u

IMAGE='<__IMAGE_NAME__>'
FUTON_TOKEN='<__FUTON_TOKEN__>'

# The exchange puts the run's token into the line above, only for the first reader. A placeholder that is still there is no token.
case $FUTON_TOKEN in '<'*) FUTON_TOKEN='' ;; esac
# The other limits come with run.env, which is fetched in this step.
LIMIT_FETCH='<__LIMIT_FETCH__>'
case $LIMIT_FETCH in '<'*) LIMIT_FETCH=60s ;; esac

FOLDER=/run/futon
FUTON_LOG=$FOLDER/results.log
PATH=$FOLDER:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=${HOME:-/root}
export FUTON_TOKEN FUTON_LOG PATH HOME
umask 077
# Some initrds mount /run with noexec. In a fork that is already fixed, and a shell's read costs a system call per byte.
[ -n "${FUTON_FORK:-}" ] || while read -r _ at _ options _; do
    case "$at $options" in '/run '*noexec*) mount -o remount,exec /run ;; esac
done </proc/mounts
[ -d $FOLDER ] || mkdir -p $FOLDER
cd $FOLDER || exit 1
# A fork's folder has no files of an earlier run, and each program that need not start saves time under emulation.
[ -n "${FUTON_FORK:-}" ] || rm -f "$FUTON_LOG" no-events client.json replies.bin load.bin container.log

# --- The exchange and the guest tool, only with curl.
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
        # If the server has no tool, the image's own is used.
        [ "$try" -gt 1 ] && command -v futon-guest >/dev/null && return 0
        sleep "$try"
    done
    return 1
}
# Without the tool.
upload_plainly() {
    curl -fsS --max-time 30 -H "x-futon-token: $FUTON_TOKEN" -F "files=@$FUTON_LOG" "${FUTON_URL:-${url:-http://10.0.2.2:3003}}/upload" || echo 'futon: no upload either'
}
# A fork has it: the saved machine fetched it, and a different futon-guest means a different warm base. A simulator's payload brings it.
if [ -n "${FUTON_FORK:-}${FUTON_GEM5:-}" ] && [ -x futon-guest ]; then :; elif ! find_tool; then
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

# Points in the workflow, for a simulator; the steps report the others.
[ -z "${FUTON_GEM5:-}" ] || futon-guest m5 fail 1

# Compose without the docker command, which first queries every plugin: that takes seconds under emulation.
COMPOSE='docker compose'
for program in /usr/libexec/docker/cli-plugins/docker-compose /usr/lib/docker/cli-plugins/docker-compose; do
    [ ! -x $program ] || COMPOSE=$program
done
export COMPOSE

# --- Steps. status and why belong to the first failed one.
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

# futon's exchange must have these files; for other servers the last two are optional.
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

# Defaults for an otherwise unknown image; run.env, which futon writes, has values for all of them.
name=${IMAGE##*/}
name=${name%%[:@]*}
IMAGES=$IMAGE SERVICE='' REQUESTS='' COMPOSE_WHY='' CONTAINER=function ADDRESS=127.0.0.1 PORT=50000
FIND='' TURNS='' PUBLISHED='' COMPANIONS='' HANDOVER='' PROBE='' REPORT=client.json
FUTON_CPUS='' FUTON_ROI_CHECKPOINT='' FUTON_TIME='' FUTON_SIM_SEED='' FUTON_STOP=''
CLIENT_ARGS="-function-name $name -url 127.0.0.1 -port $PORT -n 20"
LIMIT_PULL=180s LIMIT_START=60s LIMIT_READY=60s LIMIT_INVOKE=300s LIMIT_LOG=30s LIMIT_STOP=60s
# shellcheck source=/dev/null # written by the host
[ $status -ne 0 ] || ! [ -f run.env ] || . ./run.env
# For the test client: whether the simulator takes over between the warm-up and the measured calls.
export FUTON_ROI_CHECKPOINT
# On a simulator, clock and entropy also come from the run.
if [ $status -eq 0 ] && [ -n "$FUTON_TIME$FUTON_SIM_SEED" ]; then
    futon-guest settle ${FUTON_TIME:+--time "$FUTON_TIME"} ${FUTON_SIM_SEED:+--seed "$FUTON_SIM_SEED"} >>"$FUTON_LOG" 2>&1
fi

# What services need: ports that no connection in this guest may use, files of the host.
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
    # The host has turned the service into the requests that Compose would make, unless it has a key that only Compose handles.
    if [ -n "$REQUESTS" ]; then
        step start "$LIMIT_START" --mark 2 -- \
            futon-guest up "$REQUESTS" --get --report "$CONTAINER" ${FUTON_CPUS:+--cpus "$FUTON_CPUS"} "$@"
    else
        # shellcheck disable=SC2016 # the inner shell expands
        step start "$LIMIT_START" -- sh -c '
            service=$1 container=$2 port=$3 image=$4 why=$5
            shift 5
            [ $# -eq 0 ] || futon-guest prepare "$@" || exit
            if [ -n "$service" ]; then
                [ -z "$why" ] || echo "left to docker compose: $why"
                # Nothing of this script'\''s environment is for the services: what they get of the host is in the file.
                # The whole file: it contains exactly the services to run.
                env -i PATH="$PATH" HOME="$HOME" $COMPOSE -f functions.yaml up -d --pull never --no-build
            else
                docker run -d --pull never --name "$container" -p "$port:50051" "$image"
            fi && futon-guest container "$container"
        ' sh "$SERVICE" "$CONTAINER" "$PORT" "$IMAGE" "$COMPOSE_WHY" "$@"
    fi
fi

# Where the function answers, if only the engine knows it. If it cannot be found, the waiting step reports that.
if [ $status -eq 0 ] && [ -n "$FIND" ]; then
    # shellcheck disable=SC2086 # two words
    found=$(futon-guest find "$CONTAINER" $FIND 2>>"$FUTON_LOG") && ADDRESS=${found% *} PORT=${found#* }
fi

if [ $status -eq 0 ]; then
    step ready "$LIMIT_READY" --mark 3 -- \
        futon-guest ready --container "$CONTAINER" --address "$ADDRESS" --port "$PORT" --timeout "$LIMIT_READY" ${PROBE:+--probe "$PROBE"}
fi

if [ $status -eq 0 ]; then
    # Quoted by the host for this eval.
    eval "set -- $CLIENT_ARGS"
    [ -z "$FIND" ] || set -- "$@" -url "$ADDRESS" -port "$PORT"
    # Further functions that are called in turn. The client reports one whose address is missing.
    beside=''
    for other in $TURNS; do
        found=$(futon-guest find "${other%:*}" container "${other##*:}" 2>>"$FUTON_LOG") || continue
        beside=$beside${beside:+,}${found% *}:${found#* }
    done
    [ -z "$beside" ] || set -- "$@" -beside "$beside"
    # The client's report matters most when a call went wrong.
    step invoke "$LIMIT_INVOKE" --mark-begin 10 --mark 11 --mark 4 --put "$REPORT" -- test-client "$@" -report "$REPORT"
fi

# The steps `log` and `stop`, if there is a container, and the end: one program for all.
set -- --status $status ${why:+--why "$why"} --mark -1 --poweroff
if [ $started = yes ]; then
    # shellcheck disable=SC2086 # lists of words
    set -- "$@" --container "$CONTAINER" --log-limit "$LIMIT_LOG" --stop-limit "$LIMIT_STOP" $FUTON_STOP $COMPANIONS
fi
futon-guest close "$@"
# Only reached if the tool is too old for this script: the image's own, when the server has none.
upload_plainly
futon-guest poweroff
