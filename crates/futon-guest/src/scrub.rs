//! `scrub`: overwrites memory that programs gave back, before the machine is saved.
//!
//! An emulator keeps its translation of code by the physical page that the code is on. What ended before the machine was saved leaves pages
//! full of translated code, and in each fork every write to one of them is slow until the last of that code is found to be wrong, and each piece
//! found makes the emulator forget where it was about to go on: some tenths of a second.

use std::{fs, num::NonZeroUsize};

use guest_net::{Context, Error, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap},
    unistd::{Pid, SysconfVar, sysconf},
};

/// The most that is overwritten: the pages that were given back last, which are the next to be taken.
const MOST: usize = 256 << 20;

/// What stays free, so that the kernel has no reason to take memory from anybody.
const RESERVE: usize = 32 << 20;

/// Overwrites free memory; what was read from files stays.
pub(crate) fn scrub() -> Result<()> {
    const WHAT: &str = "cannot overwrite free memory";
    let size = free()?.min(MOST);
    let Some(length) = NonZeroUsize::new(size) else { return Ok(()) };
    let page = sysconf(SysconfVar::PAGE_SIZE).context(WHAT)?.and_then(|size| usize::try_from(size).ok());
    let page = page.ok_or_else(|| Error::new("the system reports no page size"))?;
    // SAFETY: nothing is mapped over: the kernel chooses the place.
    let memory =
        unsafe { mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE) }
            .context(WHAT)?;
    // Large pages would come from where nothing was. A kernel that refuses has none.
    // SAFETY: the range is the mapping just made, and this changes none of its contents.
    let _ = unsafe { madvise(memory, size, MmapAdvise::MADV_NOHUGEPAGE) };
    let first = memory.as_ptr().cast::<u8>();
    let processors = Processors::of_this_thread();
    let share = size.div_ceil(processors.count());
    for offset in (0..size).step_by(page) {
        // Each processor has a list of its own of what was given back on it, of which the others get nothing.
        if offset % share < page {
            processors.move_to(offset / share);
        }
        // SAFETY: the offset is within the mapping.
        let byte = unsafe { first.add(offset) };
        // The kernel fills a page with zeroes when it is first written to.
        // SAFETY: the mapping is writable and nobody else's.
        unsafe { byte.write_volatile(0) };
    }
    // SAFETY: the range is the mapping just made, to which nothing refers any more.
    unsafe { munmap(memory, size) }.context(WHAT)
}

/// The processors that this thread may run on.
struct Processors(Vec<usize>);

impl Processors {
    fn of_this_thread() -> Self {
        let may = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        Self((0..CpuSet::count()).filter(|n| may.is_set(*n).unwrap_or(false)).collect())
    }

    fn count(&self) -> usize {
        self.0.len().max(1)
    }

    /// Has this thread run on one of them alone. Where the kernel refuses, less is overwritten than could be.
    fn move_to(&self, index: usize) {
        let Some(processor) = self.0.get(index) else { return };
        let mut one = CpuSet::new();
        if one.set(*processor).is_ok() {
            let _ = sched_setaffinity(Pid::from_raw(0), &one);
        }
    }
}

/// Memory that nothing is in, but for a reserve, bytes (proc(5)).
fn free() -> Result<usize> {
    const FILE: &str = "/proc/meminfo";
    let text = fs::read_to_string(FILE).context(format_args!("cannot read {FILE}"))?;
    free_in(&text).ok_or_else(|| Error::new(format!("{FILE} does not say how much memory is free")))
}

fn free_in(meminfo: &str) -> Option<usize> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemFree:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<usize>().ok()?.checked_mul(1024)?.saturating_sub(RESERVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_read_in_bytes() {
        assert_eq!(free_in("MemTotal:  7 kB\nMemFree:    65536 kB\n"), Some(32 << 20));
        assert_eq!(free_in("MemFree:    7 kB\n"), Some(0));
        assert_eq!(free_in("MemAvailable:  7 kB\n"), None);
        free().unwrap();
    }
}
