#!/bin/sh
# futon's run script for the lean guest: the same steps as test/run_test.template.sh, without an engine.
#
# The guest's tools are in its initramfs; the image comes as a bundle that the host made. On gem5 this script, run.env and the
# bundle are unpacked from the payload already, and what is reported leaves by m5 writefile.
# shellcheck disable=SC2086 # lists of words
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
HOME=${HOME:-/root}
export FUTON_TOKEN FUTON_LOG HOME
umask 077
mkdir -p $FOLDER
cd $FOLDER || exit 1
rm -f "$FUTON_LOG" no-events client.json replies.bin load.bin container.log

# Points in the workflow, for a simulator; the steps report the others.
[ -z "${FUTON_GEM5:-}" ] || m5 fail 1

# --- Steps: step NAME LIMIT [OPTION…] -- COMMAND…. status and why belong to the first failed one.
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

step fetch "$LIMIT_FETCH" -- futon-guest get run.env calls.bin

IMAGES=$IMAGE CONTAINER=function ADDRESS=127.0.0.1 PORT=50051 CLIENT_ARGS='' PROBE='' REPORT=client.json FUTON_ROI_CHECKPOINT='' FUTON_TIME='' FUTON_SIM_SEED='' FUTON_STOP=''
LIMIT_PULL=180s LIMIT_START=60s LIMIT_READY=60s LIMIT_INVOKE=300s LIMIT_LOG=30s LIMIT_STOP=60s
# shellcheck source=/dev/null # written by the host
[ $status -ne 0 ] || . ./run.env
# For the test client: whether the simulator saves its state between the warm-up and the measured calls.
export FUTON_ROI_CHECKPOINT
# On a simulator, clock and entropy also come from the run.
if [ $status -eq 0 ] && [ -n "$FUTON_TIME$FUTON_SIM_SEED" ]; then
    futon-guest settle ${FUTON_TIME:+--time $FUTON_TIME} ${FUTON_SIM_SEED:+--seed $FUTON_SIM_SEED} >>"$FUTON_LOG" 2>&1
fi

[ $status -ne 0 ] || step pull "$LIMIT_PULL" -- futon-guest pull $IMAGES

started=no
if [ $status -eq 0 ]; then
    started=yes
    step start "$LIMIT_START" --mark 2 -- futon-guest up --report "$CONTAINER"
fi

if [ $status -eq 0 ]; then
    step ready "$LIMIT_READY" --mark 3 -- \
        futon-guest ready --container "$CONTAINER" --address "$ADDRESS" --port "$PORT" --timeout "$LIMIT_READY" ${PROBE:+--probe "$PROBE"}
fi

if [ $status -eq 0 ]; then
    # Quoted by the host for this eval.
    eval "set -- $CLIENT_ARGS"
    # The client's report matters most when a call went wrong.
    step invoke "$LIMIT_INVOKE" --mark-begin 10 --mark 11 --mark 4 --put "$REPORT" -- test-client "$@" -report "$REPORT"
fi

# The steps `log` and `stop`, if there is a container, and the end: one program for all.
set -- --status $status ${why:+--why "$why"} --mark -1 --poweroff
[ $started = no ] || set -- "$@" --container "$CONTAINER" --log-limit "$LIMIT_LOG" --stop-limit "$LIMIT_STOP" $FUTON_STOP
futon-guest close "$@"
# Only reached if that could not switch the machine off.
futon-guest poweroff
