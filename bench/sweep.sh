#!/bin/sh
# Sweeps, longer than the tests: futon's own overhead, then one sweep by a real Slurm that is disturbed at ten moments, compared with an
# undisturbed run on this machine. Needs root, slurm-wlm, munge, and function images.
# usage: sh bench/sweep.sh            3 functions × 10 repetitions on the fake machine, a few minutes
#        VM=1 sh bench/sweep.sh       9 functions × 10 repetitions in QEMU, an hour; with BASE=lean, on the lean guest, a third of it
#        SEED=7 sh bench/sweep.sh     other moments
set -eu
cd "$(dirname "$0")/.."
futon=${FUTON:-$PWD/target/x86_64-unknown-linux-gnu/release/futon}
root=$PWD
RESOURCES=${RESOURCES:-$PWD/resources}
export RESOURCES
work=$(mktemp -d)
mkdir -p "$work/run" "$work/log" "$work/state" "$work/spool"
chmod 755 "$work" "$work/run" "$work/log"
end() {
    status=$?
    for name in d ctld munged; do
        [ ! -f "$work/run/$name.pid" ] || kill "$(cat "$work/run/$name.pid")" 2>/dev/null || true
    done
    # What failed says in its folder why.
    if [ $status -eq 0 ]; then rm -rf "$work"; else echo "see $work" >&2; fi
    exit $status
}
trap end EXIT
export FUTON_TEST_FAKE_MACHINE="proves nothing"
now() { echo $(($(date +%s%N) / 1000000)); }
# took MILLISECONDS WHAT
took() { printf '%8s ms  %s\n' "$1" "$2"; }
compose=$root/functions/functions.yaml
cd "$work"

echo "== overhead"
printf 'functions = ["fibonacci-go", "aes-go"]\nseeds = 100\n[flags]\non = "fake:takes:1000"\nfunctions = "%s"\n' "$compose" >seconds.toml
begun=$(now)
"$futon" --quiet sweep seconds.toml --jobs 2 >/dev/null
took $(($(now) - begun)) "200 cells of a second, two at a time: 100000 without futon"
printf 'functions = ["fibonacci-go", "aes-go"]\nseeds = 50\n[flags]\non = "fake"\nfunctions = "%s"\n' "$compose" >many.toml
printf '[sweep]\ninput = {from = 1, to = 10, step = 1}\ninvocations = {from = 1, to = 10, step = 1}\n' >>many.toml
begun=$(now)
"$futon" --quiet sweep many.toml --dry-run >/dev/null
took $(($(now) - begun)) "10,000 cells planned"
"$futon" --quiet sweep many.toml >/dev/null
begun=$(now)
"$futon" sweep status sweeps/many >/dev/null
took $(($(now) - begun)) "10,000 results counted"

echo "== one sweep, here and by Slurm"
if [ "${VM:-}" = 1 ]; then
    functions='"fibonacci-go", "fibonacci-python", "fibonacci-nodejs", "aes-go", "aes-python", "aes-nodejs", "auth-go", "auth-python", "auth-nodejs"'
    on=qemu cells=90
    # Between two disturbances, seconds at most: some of them should meet running cells.
    most=60
    [ "${BASE:-docker}" != lean ] || most=20
else
    functions='"fibonacci-go", "aes-go", "auth-go"' on=fake:takes:1500 cells=30 most=2
fi
printf 'functions = [%s]\nseeds = 10\n[flags]\non = "%s"\nbase = "%s"\nfunctions = "%s"\n[resources]\ncores = 1\n[slurm]\nat-once = 2\n' \
    "$functions" $on "${BASE:-docker}" "$compose" >s.toml
begun=$(now)
"$futon" --quiet sweep s.toml --dir here --jobs 2 >/dev/null
took $(($(now) - begun)) "$cells cells here, undisturbed"

head -c 128 /dev/urandom >key
chmod 600 key
munged --force --socket="$work/run/munge.sock" --key-file="$work/key" --pid-file="$work/run/munged.pid" \
    --log-file="$work/log/munged.log" --seed-file="$work/run/munged.seed"
host=$(hostname -s)
export SLURM_CONF="$work/slurm.conf"
cat >"$SLURM_CONF" <<END
ClusterName=bench
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$work/run/munge.sock,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/run/ctld.pid
SlurmdPidFile=$work/run/d.pid
SlurmctldLogFile=$work/log/ctld.log
SlurmdLogFile=$work/log/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=17817
SlurmdPort=17818
MessageTimeout=5
SlurmdTimeout=30
SlurmdParameters=config_overrides
KillWait=5
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=20000 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
until [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; do sleep 0.5; done

begun=$(now)
"$futon" --quiet sweep s.toml --dir there --executor slurm >driver.log 2>&1 &
driver=$!
# Which moments and what happens at them: from the seed alone.
awk -v seed="${SEED:-1}" -v most=$most 'BEGIN { srand(seed)
    for (i = 0; i < 10; i++) printf "%.2f %d\n", 0.2 + rand() * most, int(rand() * 5) }' >moments
# A controller that was killed may take its node out ("Duplicate jobid"): an administrator puts it back.
put_back() {
    case $(sinfo --noheader --format=%T 2>/dev/null) in
    *drain* | *down*) scontrol update NodeName="$host" State=RESUME || true ;;
    esac
}
while read -r wait what; do
    put_back
    sleep "$wait"
    case $what in
    0)
        echo "  slurmd is killed"
        kill -9 "$(cat run/d.pid)"
        sleep 1
        slurmd -f "$SLURM_CONF"
        ;;
    1)
        echo "  slurmctld is killed"
        kill -9 "$(cat run/ctld.pid)"
        sleep 1
        slurmctld -f "$SLURM_CONF"
        ;;
    2)
        echo "  futon is killed"
        kill -9 $driver 2>/dev/null || true
        "$futon" --quiet sweep resume there >>driver.log 2>&1 &
        driver=$!
        ;;
    3)
        worker=$(cat there/claims/* 2>/dev/null | sed -n 's/.*"pid":\([0-9]*\).*/\1/p' | head -n 1)
        echo "  a worker is killed: ${worker:-none is there}"
        [ -z "$worker" ] || kill -9 "$worker" 2>/dev/null || true
        ;;
    *)
        task=$(squeue --noheader --array --states=RUNNING --format=%F_%K 2>/dev/null | head -n 1)
        echo "  a task is requeued: ${task:-none runs}"
        [ -z "$task" ] || scontrol requeue "$task" 2>/dev/null || true
        ;;
    esac
done <moments
while kill -0 $driver 2>/dev/null; do
    put_back
    sleep 2
done
wait $driver || true
tries=0
until "$futon" sweep status there --json | grep -q '"complete": true'; do
    tries=$((tries + 1))
    [ $tries -le 5 ] || { "$futon" sweep status there --cells >&2; exit 1; }
    "$futon" --quiet sweep resume there >>driver.log 2>&1 || true
done
"$futon" --quiet sweep export there >/dev/null
took $(($(now) - begun)) "$cells cells by Slurm, disturbed ten times, $tries times resumed"
# Cell, function, seed, outcome, step, code.
for dir in here there; do cut -d, -f1-6 $dir/cells.csv >$dir.verdicts; done
diff here.verdicts there.verdicts
[ "$(wc -l <there.verdicts)" -eq $((cells + 1)) ]
echo "the same cells and verdicts"
