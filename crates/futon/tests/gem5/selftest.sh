#!/bin/sh
# Plays gem5 for `futon gem5 selftest`: a core of the simple system that does what its parameters say.
# FAKE_SLOW=WORD makes one program a fifth slower; FAKE_SHORT=WORD leaves its work items out.
set -u

outdir='' script='' readfile='' checkpoint='' cpu=atomic
while [ $# -gt 0 ]; do
    case $1 in
    -d) outdir=$2 && shift ;;
    *.py) script=$1 ;;
    --readfile) readfile=$2 && shift ;;
    --checkpoint) checkpoint=$2 && shift ;;
    --cpu) cpu=$2 && shift ;;
    --kernel | --restore | --apic-divider | --initrd | --system | --cpus | --mem-mib | --seed | --max-ms | --work-items | --slice-ms) shift ;;
    esac
    shift
done
event() { echo "futon-event: {$1,\"tick\":1000000000,\"insts\":${insts:-1000}}"; }
end() {
    event "\"event\":\"end\",\"status\":0,\"why\":\"$1\""
    exit 0
}
case $script in
*/probe.py)
    event '"event":"probe","version":"24.0.0.1","x86":true,"kvm":false,"ruby":false'
    exit 0
    ;;
esac
mkdir -p "$outdir"
echo 'gem5 Simulator System.  https://www.gem5.org'
printf '[    0.100000] Linux version 6.12 (fake)\n' >>"$outdir/system.pc.com_1.device"
params='"clock":"1GHz","l1i.tag_latency":1,"l1i.data_latency":1,"l1d.size":"16KiB","l1d.tag_latency":1,"l1d.data_latency":1,"l1d.response_latency":2,"llc.size":"128KiB","llc.tag_latency":12,"llc.data_latency":12,"llc.response_latency":12'
event "\"event\":\"start\",\"gem5\":\"24.0.0.1\",\"core\":\"$cpu\",\"measured\":\"system.cpu1\",\"llc\":\"system.llc\",\"params\":{$params}"
if [ -n "$checkpoint" ]; then
    mkdir -p "$checkpoint"
    echo '[Globals]' >"$checkpoint/m5.cpt"
    echo memory >"$checkpoint/system.physmem.store0.pmem"
    event "\"event\":\"checkpoint\",\"folder\":\"$checkpoint\""
    end 'the checkpoint is written'
fi

cp "$FAKE_CONFIG" "$outdir/config.ini"
item=0 dump=0
# shellcheck disable=SC2013 # words are meant
for word in $(sed -n 's/^exec futon-guest selftest //p' "${readfile%/*}/payload.given"); do
    if [ "${FAKE_SHORT:-}" != "$word" ]; then
        event "\"event\":\"workbegin\",\"id\":$((100 + item))"
        echo "$word" | awk -F: -v slow="${FAKE_SLOW:-}" '
            $1 == "add" { n = $2 * 512; i = $2 * 514; c = n }
            $1 == "independent" { n = $2 * 504; i = $2 * 506; c = n / 6 }
            $1 == "multiply" { n = $2 * 512; i = $2 * 514; c = 4 * n }
            $1 == "forward" { n = $2 * 32; i = $2 * 66; c = 3 * n }
            $1 == "chase" { n = $4; i = n / 64 * 66; c = 2 * n }
            $1 == "chase" && $2 == 512 { c = ($5 == "fresh" ? 70 : 18) * n }
            $1 == "chase" && $3 == 4160 && $2 > 64 { c = 181 * n; t = n }
            $1 == "branch" { i = $2 * 45; c = 45000; b = 2 }
            $1 == "branch" && $3 == "random" { b = $2 / 2; c += 9 * b }
            {
                if ($0 == slow) c *= 1.2
                print "\n---------- Begin Simulation Statistics ----------"
                printf "simTicks %d # (Tick)\n", c * 1000
                print "simFreq 1000000000000 # (Tick/Second)\nhostSeconds 0.10 # (Second)"
                printf "system.cpu1.numCycles %d # (Cycle)\n", c + 100
                printf "system.cpu1.commitStats0.numInsts %d # (Count)\n", i + 35
                printf "system.cpu1.mmu.dtb.rdAccesses %d # (Count)\nsystem.cpu1.mmu.dtb.rdMisses %d # (Count)\n", n + 50, t
                printf "system.cpu1.commit.branchMispredicts %d # (Count)\n", b
                print "\n---------- End Simulation Statistics   ----------"
            }' >>"$outdir/stats.txt"
        event "\"event\":\"workend\",\"id\":$((100 + item)),\"dump\":$dump,\"core\":\"$cpu\""
        dump=$((dump + 1))
    fi
    item=$((item + 1))
done
echo 'SUCCESS: All commands completed successfully' >"$outdir/results.log"
event '"event":"exit"'
end 'the guest ended the simulation'
