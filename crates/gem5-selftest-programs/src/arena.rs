//! Memory in small pages, and cycles of addresses in it.

use std::io;
use std::ptr::{self, NonNull};

use gem5_selftest::work::LOADS;

use super::kernels;

/// Bytes of a page and of a cache line.
const PAGE: u64 = 4096;
const LINE: u64 = 64;

/// Anonymous memory, whose pages are all there.
#[derive(Debug)]
pub(super) struct Arena {
    start: NonNull<u8>,
    length: u64,
}

impl Arena {
    /// Zeroes; never in large pages.
    pub(super) fn new(length: u64) -> io::Result<Self> {
        let bytes = usize::try_from(length).map_err(io::Error::other)?;
        let (both, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, both, private, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start: NonNull<u8> = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        // A kernel without large pages refuses, and has none.
        // SAFETY: the mapping is ours, and nothing is in it yet.
        let _ = unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_NOHUGEPAGE) };
        let mut arena = Self { start, length };
        for page in 0..length.div_ceil(PAGE) {
            // Reading alone would map one page of zeroes everywhere.
            arena.set(page * PAGE, 0)?;
        }
        Ok(arena)
    }

    /// The address of a word.
    fn at(&self, place: u64) -> io::Result<*mut u64> {
        let offset = usize::try_from(place).map_err(io::Error::other)?;
        match place.checked_add(8) {
            Some(end) if end <= self.length && place.is_multiple_of(8) => {
                Ok(self.start.as_ptr().wrapping_add(offset).cast())
            }
            _ => Err(io::Error::other(format!("{place} is no word of {} bytes", self.length))),
        }
    }

    fn set(&mut self, place: u64, value: u64) -> io::Result<()> {
        let at = self.at(place)?;
        // SAFETY: `at` has checked that the word is in the mapping, which is ours.
        unsafe { at.write(value) };
        Ok(())
    }

    /// Reads a word of each line, one after the other.
    pub(super) fn read_over(&self) {
        self.read(0, 64);
    }

    /// Reads the last line of each page, which holds no node of a cycle with a stride of two lines.
    fn touch_pages(&self) {
        self.read(PAGE - LINE, 4096);
    }

    fn read(&self, first: u64, step: usize) {
        for at in (first..self.length).step_by(step).filter_map(|place| self.at(place).ok()) {
            // SAFETY: `at` has checked that the word is in the mapping.
            unsafe { at.read_volatile() };
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let length = usize::try_from(self.length).unwrap_or(0);
        // SAFETY: mapped by `new` with this length, and no address of it is kept.
        unsafe { libc::munmap(self.start.as_ptr().cast(), length) };
    }
}

/// A random cycle through nodes at equal distances.
#[derive(Debug)]
pub(super) struct Cycle {
    arena: Arena,
    nodes: u64,
    /// The node at which the next walk begins.
    now: u64,
}

impl Cycle {
    pub(super) fn new(nodes: u64, stride: u64) -> io::Result<Self> {
        if nodes == 0 || stride < 8 || !stride.is_multiple_of(8) {
            return Err(io::Error::other(format!("no cycle of {nodes} nodes at a distance of {stride} bytes")));
        }
        let length = nodes.checked_mul(stride).and_then(|bytes| bytes.checked_next_multiple_of(PAGE));
        let mut arena = Arena::new(length.ok_or_else(|| io::Error::other("too large"))?)?;
        let order = permutation(nodes);
        for (place, node) in order.iter().enumerate() {
            let next = order[(place + 1) % order.len()];
            let address = arena.at(next * stride)? as u64;
            arena.set(node * stride, address)?;
        }
        let now = arena.at(order[0] * stride)? as u64;
        Ok(Self { arena, nodes, now })
    }

    /// Follows the cycle.
    pub(super) fn walk(&mut self, steps: u64) {
        // SAFETY: `new` has made a cycle of addresses within the arena, and nobody has changed it.
        self.now = unsafe { kernels::chase(self.now, steps) };
    }

    /// Follows it once, and a round at least.
    pub(super) fn walk_once(&mut self) {
        self.walk(self.nodes.next_multiple_of(LOADS));
    }

    pub(super) fn touch_pages(&self) {
        self.arena.touch_pages();
    }
}

/// The numbers from 0 in random order, the same one each time.
fn permutation(count: u64) -> Vec<u64> {
    let mut order: Vec<u64> = (0..count).collect();
    let mut random = Random::new(0);
    for place in (1..count).rev() {
        let (one, other) = (usize::try_from(place), usize::try_from(random.next() % (place + 1)));
        if let (Ok(one), Ok(other)) = (one, other) {
            order.swap(one, other);
        }
    }
    order
}

/// Marsaglia's xorshift with 64 bits.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Another sequence for each number.
    pub(super) fn new(number: u64) -> Self {
        // Never 0, at which it would stay.
        Self(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_visits_every_node_once() {
        let mut cycle = Cycle::new(256, 128).unwrap();
        let first = cycle.now;
        cycle.walk(128);
        assert_ne!(cycle.now, first);
        cycle.walk(128);
        assert_eq!(cycle.now, first);
        cycle.walk_once();
        assert_eq!(cycle.now, first);
        cycle.touch_pages();
        assert!(Cycle::new(0, 64).is_err() && Cycle::new(8, 4).is_err() && Cycle::new(u64::MAX, 64).is_err());
    }

    #[test]
    fn an_order_holds_each_number_and_is_not_theirs() {
        let mut order = permutation(1000);
        assert!(order.windows(2).filter(|pair| pair[1] == pair[0] + 1).count() < 10);
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }
}
