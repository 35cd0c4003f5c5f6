# shellcheck shell=sh
# Sourced by bench/soak.sh and bench/faults.sh: counts what a run could leave behind. The caller sets `out`, the folder of its runs.
# shellcheck disable=SC2154 # out: set by the caller

# Processes of runs below $out: machines, guards, futon itself. Zombies count: nobody has waited for them.
processes() { { pgrep -f -- "(futon|qemu-system).*$out" || true; } | wc -l; }
# Open files of the whole machine (fs.file-nr: allocated, free, most).
descriptors() { cut -f1 /proc/sys/fs/file-nr; }
# Namespaces that some process is in.
namespaces() { for process in /proc/[0-9]*; do readlink "$process/ns/net" "$process/ns/user" 2>/dev/null; done | sort -u | wc -l; }
# Mounts of this namespace.
mounts() { wc -l </proc/self/mountinfo; }
# Files in memory (tmpfs, memfd) and processes' own pages, in MiB: what a leak would add to. The page cache is left out.
memory() { awk '/^(AnonPages|Shmem):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo; }
# Files of futon's outside the runs' folder: temporary ones, and half-made warm bases.
files() { find "${RESOURCES:-$PWD/resources}" "${TMPDIR:-/tmp}" -maxdepth 2 \( -name '*futon*' -o -path '*/warm/*' -o -name '.making*' \) -not -path "$out*" 2>/dev/null | wc -l; }
# Disk that the runs' folder takes, MiB.
used() { du -sm "$out" | cut -f1; }

# What must be the same before and after: processes, mounts, files. (Descriptors, namespaces and memory are the whole machine's: see grown.)
counts() { echo "$(processes) $(mounts) $(files)"; }

# difference BEFORE AFTER
difference() { echo "processes, mounts, files: $1 before, $2 after"; }

# settle BEFORE: waits up to 10 s until the counts are again as before; what a killed futon leaves to its guard ends within 3 s and a bit.
settle() {
    tries=0
    while [ "$(counts)" != "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 20 ] || return 1
        sleep 0.5
    done
}
