#!/bin/sh
# Plays gem5 for tests: the event lines, files and last words of real runs, without a simulation.
# FAKE_GEM5 says what goes wrong, as SCENARIO or PHASE:SCENARIO. FAKE_TEMPLATE is the checkpoint that it writes as a template.
# FAKE_REPLIES is a folder with the replies to declared calls, one file FUNCTION.bin each.
set -u

outdir='' script='' kernel='' readfile='' checkpoint='' restore='' cpu=atomic flush='' discarded=0 drained=no
while [ $# -gt 0 ]; do
    case $1 in
    -d) outdir=$2 && shift ;;
    *.py) script=$1 ;;
    --readfile) readfile=$2 && shift ;;
    --checkpoint) checkpoint=$2 && shift ;;
    --restore) restore=$2 && shift ;;
    --cpu) cpu=$2 && shift ;;
    --flush) flush=$2 && shift ;;
    --discarded) discarded=$2 && shift ;;
    --drain-at-us) drained=yes && shift ;;
    --kernel) kernel=$2 && shift ;;
    --apic-divider | --initrd | --system | --cpus | --mem-mib | --seed | --max-ms | --work-items | --slice-ms) shift ;;
    esac
    shift
done
event() { echo "futon-event: {$1,\"tick\":${tick:-0},\"insts\":${insts:-0}}"; }
case $script in
*/probe.py)
    event '"event":"probe","version":"24.0.0.1","x86":true,"kvm":false,"ruby":false'
    exit 0
    ;;
esac

case $kernel in
*/template/kernel) phase=template ;;
*) phase='' ;;
esac
if [ -n "$phase" ]; then :
elif [ -z "$readfile" ]; then phase=boot
elif [ -n "$checkpoint" ]; then phase=setup
elif [ "$cpu" != atomic ]; then phase=evaluate
else phase=run; fi
scenario=${FAKE_GEM5:-pass}
case $scenario in
*:*) [ "${scenario%%:*}" = $phase ] && scenario=${scenario#*:} || scenario=pass ;;
esac

mkdir -p "$outdir"
console=$outdir/system.pc.com_1.device
echo 'gem5 Simulator System.  https://www.gem5.org'
[ -z "$restore" ] || [ -f "$restore/m5.cpt" ] || {
    echo "src/sim/serialize.cc:167: fatal: Can't load checkpoint file '$restore/m5.cpt'"
    exit 1
}
event "\"event\":\"start\",\"gem5\":\"24.0.0.1\",\"core\":\"$cpu\",\"measured\":\"system.cpu1\",\"llc\":\"system.llc\",\"params\":{\"clock\":\"1GHz\",\"l1i.assoc\":8}"
end() {
    event "\"event\":\"end\",\"status\":$1,\"why\":\"$2\""
    exit "$1"
}
panic() {
    echo "src/base/output.cc:92: panic: $1"
    echo 'Memory Usage: 700000 KBytes'
    echo 'Program aborted at tick 5'
    kill -ABRT $$
}
take_checkpoint() {
    mkdir -p "$checkpoint"
    if [ $phase = template ]; then cp "$FAKE_TEMPLATE" "$checkpoint/m5.cpt"
    else echo '[Globals]' >"$checkpoint/m5.cpt"; fi
    echo "memory of $phase" >"$checkpoint/system.physmem.store0.pmem"
    event "\"event\":\"checkpoint\",\"folder\":\"$checkpoint\""
    end 0 'the checkpoint is written'
}

tick=1000000000 insts=1000
# The stall of a detailed core that another moment leads past.
[ "$scenario-$drained" != stall-once-no ] || scenario=stall
case $scenario in
silent) sleep 60 ;;
stuck)
    while :; do
        echo 'tick tock' >>"$console"
        event '"event":"progress"'
        sleep 0.1
    done
    ;;
stall)
    while :; do
        event '"event":"progress"'
        sleep 0.1
    done
    ;;
oops) echo '[    0.200000] Oops: 0002 [#1] PREEMPT SMP' >>"$console" ;;
killed-early) kill -KILL $$ ;;
traceback)
    printf 'Traceback (most recent call last):\n  File "run.py", line 1\nNameError: no such name\n'
    exit 1
    ;;
disk-full) [ -n "$checkpoint" ] && echo "src/mem/physical.cc:396: fatal: Write failed on physical memory checkpoint file 'x'" && exit 1 ;;
torn) event '"event":"checkpoint_failed","why":"m5.cpt ends early"' && end 4 'the checkpoint is not whole' ;;
malformed) echo 'futon-event: {"event":"warp"}' && end 0 'well' ;;
esac

printf '[    0.100000] Linux version 6.12 (fake)\n' >>"$console"
[ $phase != template ] || take_checkpoint
[ $phase != boot ] || { tick=520000000000 insts=163000000 && take_checkpoint; }
[ "$scenario" != no-script ] || panic "could not open file $readfile"

# The header of the payload and the archives behind it: only the token is wanted.
token=$(grep -a -m 1 "^FUTON_TOKEN='" "$readfile" | sed -n "s/^FUTON_TOKEN='\(.*\)'\$/\1/p")
[ $phase != evaluate ] || token=$(grep -a -m 1 "^FUTON_TOKEN='" "${readfile%/*}/payload.given" | sed "s/^FUTON_TOKEN='\(.*\)'\$/\1/")
plan=$outdir/../../../../plan.json
image_id=$(sed -n 's/.*"config": "\(sha256:[0-9a-f]*\)".*/\1/p' "$plan" | head -n 1)
container=$(sed -n '/"client": {/,$s/.*"container": "\(.*\)",/\1/p' "$plan" | head -n 1)
calls=$(sed -n 's/.*"invocations": \([0-9]*\).*/\1/p' "$plan" | head -n 1)
greeting=verified
! grep -q '"no_greeting": true' "$plan" || greeting=none
warmup=$(sed -n 's/.*"warmup": \([0-9]*\).*/\1/p' "$plan" | head -n 1)
say() { echo "{\"token\":\"$token\",$1}" >>"$outdir/events.jsonl"; }
vouch() { say "\"kind\":\"note\",\"text\":\"file $1 sha256 $(sha256sum <"$outdir/$1" | cut -c1-64)\""; }
begin() { say "\"kind\":\"step_started\",\"name\":\"$1\""; }
done_() { say "\"kind\":\"step_ended\",\"name\":\"$1\",\"exit_status\":$2,\"signal\":null,\"timed_out\":false,\"duration_ms\":5,\"tail\":\"\""; }

if [ $phase != evaluate ]; then
    event '"event":"fail","code":1'
    for step in fetch pull; do
        begin $step
        done_ $step 0
    done
    begin start
    say "\"kind\":\"container\",\"name\":\"$container\",\"image\":\"x\",\"image_id\":\"$image_id\",\"repo_digests\":[]"
    done_ start 0
    event '"event":"fail","code":2'
    begin ready
    done_ ready 0
    begin invoke
    tick=600000000000 insts=200000000
    case $scenario in
    panic)
        echo '[    0.900000] Kernel panic - not syncing: Attempted to kill init' >>"$console"
        panic 'i8042 "System reset" command not implemented.'
        ;;
    killed) kill -KILL $$ ;;
    hang) sleep 60 ;;
    absolute) panic 'panic condition !_fstream->is_open() occurred: Failed to open "/etc/futon-was-here"' ;;
    forge)
        # What a container may try: it has the instructions, but not the token. The payload is gone soon after the script began.
        tries=0
        while [ $tries -lt 50 ] && [ -s "$readfile" ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        token=$(grep -a -m 1 "^FUTON_TOKEN='" "$readfile" | sed -n "s/^FUTON_TOKEN='\(.*\)'\$/\1/p")
        echo 'SUCCESS: All commands completed successfully' >"$outdir/results.log"
        vouch results.log
        for step in invoke log stop; do done_ $step 0; done
        say '"kind":"finish","status":0'
        event '"event":"exit"'
        end 0 'the guest ended the simulation'
        ;;
    escape)
        # What a guest may try with writefile, for real: nothing outside the output folder may come of it.
        (echo gotcha >"$FAKE_ESCAPE") 2>/dev/null && event '"event":"fail","code":99'
        (echo gotcha >"$outdir/../escaped") 2>/dev/null && event '"event":"fail","code":98'
        ;;
    simulated) event '"event":"limit","limit":"simulated","ms":600000' && end 124 'a limit struck' ;;
    unknown) event '"event":"unknown","cause":"a warp core breach","code":7' && end 3 'an exit that nobody knows' ;;
    failed) event '"event":"fail","code":77' && end 77 'the guest reported failure 77' ;;
    esac
    [ $phase != setup ] || take_checkpoint
fi

if [ "$scenario" = stall-late ]; then
    done_ invoke 0
    while :; do
        event '"event":"progress"'
        sleep 0.1
    done
fi
if [ "$scenario" = crash ]; then
    # The function goes down in the region of interest: the client says so.
    event '"event":"workbegin","id":100'
    done_ invoke 1
else
    i=0
    while [ $i -lt "$calls" ]; do
        event "\"event\":\"workbegin\",\"id\":$((100 + i))"
        more=0
        if [ -n "$flush" ] && [ $i -ge "$discarded" ] && [ "$scenario-$i" != "unflushed-$discarded" ]; then
            # An emptied core takes longer.
            more=1900000
            event "\"event\":\"flushed\",\"id\":$((100 + i)),\"names\":[$(echo "\"$flush\"" | sed 's/,/","/g; s/^"none"$//')]"
        fi
        cat >>"$outdir/stats.txt" <<EOF

---------- Begin Simulation Statistics ----------
simTicks                                   2000000000                       # Number of ticks simulated (Tick)
simFreq                                  1000000000000                       # The number of ticks per simulated second ((Tick/Second))
hostSeconds                                     12.50                       # Real time elapsed on the host (Second)
simInsts                                      1900000                       # Number of instructions simulated (Count)
system.cpu1.numCycles                         $((3600000 + more + 100000 / (i + 1)))                       # Number of cpu cycles simulated (Cycle)
system.cpu1.commitStats0.numInsts             1900000                       # Number of instructions committed (thread level) (Count)
system.cpu1.icache.demandMisses::total          19000                       # number of demand (read+write) misses (Count)

---------- End Simulation Statistics   ----------
EOF
        event "\"event\":\"workend\",\"id\":$((100 + i)),\"dump\":$i,\"core\":\"$cpu\""
        i=$((i + 1))
    done
    latencies=$(i=0 && while [ $i -lt "$calls" ]; do printf '%s1.5' "$([ $i -eq 0 ] || echo ,)" && i=$((i + 1)); done)
    cat >"$outdir/client.json" <<EOF
{"schema":"futon.client/1","function":"f","service":"fibonacci","method":"SayHello","seed":1,"planned":$calls,"verified":$calls,
"failed":0,"not_made":0,"warmup":{"planned":$warmup,"verified":$warmup,"failed":0},"greeting":"$greeting","connect_ms":1.0,
"first_failure":null,"latency_ms":null,"latencies_ms":[$latencies],"histogram":[]}
EOF
    if grep -q '"declared": "' "$plan"; then
        function=$(sed -n 's/.*"function": "\(.*\)",/\1/p' "$plan" | head -n 1)
        cp "$FAKE_REPLIES/$function.bin" "$outdir/replies.bin"
        vouch replies.bin
    else
        vouch client.json
    fi
    done_ invoke 0
fi
sed -n '/"companions": \[/,/\]/s/.*"service": "\(.*\)",/\1/p' "$plan" | while read -r service; do
    say "\"kind\":\"companion\",\"service\":\"$service\",\"name\":\"$service\",\"status\":\"running\",\"exit_code\":null,\"oom_killed\":false,\"health\":null"
done
for step in log stop; do
    begin $step
    done_ $step 0
done
if [ "$scenario" = crash ]; then
    last='FAIL: step invoke: exit status 1' status=1
else
    last='SUCCESS: All commands completed successfully' status=0
fi
echo "$last" >"$outdir/results.log"
vouch results.log
say "\"kind\":\"finish\",\"status\":$status"
event '"event":"exit"'
end 0 'the guest ended the simulation'
