//! The guest's side, through `/dev/mem`: root alone may use it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::STOP;
use crate::layout::{
    END, HEADER, Kind, MAGIC, NAME_MAX, OUTBOX, PAYLOAD_AT, PAYLOAD_LENGTH, record_header, record_length,
};

/// Two programs of the guest do not write at once: a lock on this file.
const LOCK: &str = "/run/futon-stage.lock";

/// How long the guest rests before it stops the machine: the other processors are to be idle then. As short as can be, since what a
/// function does while it rests is not what it does between calls.
const REST: Duration = Duration::from_millis(2);

/// How often the guest rests once more because something else wants a processor. A function that computes without pause never lets
/// go of one; the host says so, then.
const RESTS: u32 = 200;

/// What wants a processor, and how many there are of all: `0.00 0.01 0.05 1/80 123`.
const LOAD: &str = "/proc/loadavg";

/// A stretch of physical memory, mapped; unmapped when dropped.
#[derive(Debug)]
struct Mapped {
    start: NonNull<u8>,
    length: usize,
}

impl Mapped {
    fn new(at: u64, length: u64) -> io::Result<Self> {
        let memory = OpenOptions::new().read(true).write(true).custom_flags(libc::O_SYNC).open("/dev/mem")?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let at = libc::off_t::try_from(at).map_err(io::Error::other)?;
        let both = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, both, libc::MAP_SHARED, memory.as_raw_fd(), at) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { start, length })
    }

    /// The address of a place, of which `length` bytes are mapped.
    fn at(&self, place: u64, length: usize) -> io::Result<*mut u8> {
        let place = usize::try_from(place).map_err(io::Error::other)?;
        match place.checked_add(length) {
            Some(end) if end <= self.length => Ok(self.start.as_ptr().wrapping_add(place)),
            _ => Err(io::Error::other("beyond the window")),
        }
    }

    fn read(&self, place: u64, into: &mut [u8]) -> io::Result<()> {
        let from = self.at(place, into.len())?;
        // SAFETY: `at` has checked that these bytes are mapped; `into` is memory of ours, which is none of them.
        unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    fn write(&self, place: u64, from: &[u8]) -> io::Result<()> {
        let into = self.at(place, from.len())?;
        // SAFETY: `at` has checked that these bytes are mapped; `from` is memory of ours, which is none of them.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), into, from.len()) };
        Ok(())
    }

    fn number(&self, place: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read(place as u64, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and no address of it is kept.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// The window, mapped.
#[derive(Debug)]
pub struct Window {
    mapped: Mapped,
    payload: (u64, u64),
}

impl Window {
    /// Maps the window at a physical address, that of the kernel parameter [`crate::PARAMETER`].
    ///
    /// # Errors
    /// When `/dev/mem` cannot be mapped, or no window is there.
    pub fn open(at: u64) -> io::Result<Self> {
        let head = Mapped::new(at, HEADER)?;
        let mut magic = [0; 8];
        head.read(0, &mut magic)?;
        if magic != MAGIC {
            return Err(io::Error::other(format!("no window at {at:#x}")));
        }
        let payload = (head.number(PAYLOAD_AT)?, head.number(PAYLOAD_LENGTH)?);
        let length = payload.0.saturating_add(payload.1).saturating_add(4095) & !4095;
        Ok(Self { mapped: Mapped::new(at, length.max(OUTBOX))?, payload })
    }

    /// Whether the host has put a payload into the window at a physical address.
    ///
    /// # Errors
    /// When the window cannot be mapped.
    pub fn has_payload(at: u64) -> io::Result<bool> {
        Ok(Self::open(at)?.payload.1 > 0)
    }

    /// The payload from byte `skip` on.
    #[must_use]
    pub fn payload(&self, skip: u64) -> Payload<'_> {
        let skip = skip.min(self.payload.1);
        Payload { window: self, at: self.payload.0 + skip, left: self.payload.1 - skip }
    }

    /// Writes what `source` holds into the host's file `name`, from `offset` on; offset 0 makes the file anew.
    ///
    /// # Errors
    /// When the source fails, or the outbox is full.
    pub fn write_file(&self, name: &str, offset: u64, source: &mut dyn Read) -> io::Result<()> {
        let mut data = Vec::new();
        source.read_to_end(&mut data)?;
        self.append(Kind::File, name, offset, &data)
    }

    /// Tells the host of a point in the workflow.
    ///
    /// # Errors
    /// When the outbox is full.
    pub fn point(&self, code: i32) -> io::Result<()> {
        self.append(Kind::Point, "", i64::from(code).cast_unsigned(), &[])
    }

    fn append(&self, kind: Kind, name: &str, offset: u64, data: &[u8]) -> io::Result<()> {
        let length = name.len() as u64;
        if length > NAME_MAX {
            return Err(io::Error::other(format!("{name:?}: the name is too long")));
        }
        let lock = File::create(LOCK)?;
        lock.lock()?;
        let end = self.mapped.number(END)?;
        let next = end.saturating_add(record_length(length, data.len() as u64));
        if next > OUTBOX {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the staging machine's outbox is full"));
        }
        let name_length = u32::try_from(name.len()).map_err(io::Error::other)?;
        let header = record_header(kind, name_length, offset, data.len() as u64);
        self.mapped.write(end, &header)?;
        self.mapped.write(end + header.len() as u64, name.as_bytes())?;
        self.mapped.write(end + header.len() as u64 + length, data)?;
        let place = self.mapped.at(END as u64, 8)?.cast::<u64>();
        // SAFETY: eight mapped bytes at a multiple of eight; every program of the guest writes them with the lock, as whole numbers.
        let place = unsafe { AtomicU64::from_ptr(place) };
        // The host looks at this number: what it counts must be there before.
        place.store(next.to_le(), Ordering::Release);
        Ok(())
    }
}

/// Reads the payload.
#[derive(Debug)]
pub struct Payload<'a> {
    window: &'a Window,
    at: u64,
    left: u64,
}

impl Read for Payload<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        self.window.mapped.read(self.at, &mut buffer[..count])?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// The byte that stops the machine.
#[derive(Debug)]
pub struct Stop(Mapped);

impl Stop {
    /// Maps it: best done early, so that its page is there when the machine stops.
    ///
    /// # Errors
    /// When `/dev/mem` cannot be mapped.
    pub fn open() -> io::Result<Self> {
        Mapped::new(STOP, 4096).map(Self)
    }

    /// Stops the machine, and comes back when the program runs in gem5. Register 15 holds the time stamp counter at the stop.
    ///
    /// QEMU lets the other processors run on for a moment after the stop: the host has the machine go on if one was not idle, and
    /// then it is stopped again.
    pub fn strike(&self) {
        self.strike_until(|| m5ops::evidence().gem5);
    }

    /// Stops the machine, and again whenever it goes on, until something is as it should be.
    ///
    /// It waits for a moment at which nothing else wants a processor: what another processor computes after the stop depends on the
    /// host's load, and no second run would come to the same state.
    pub fn strike_until(&self, mut done: impl FnMut() -> bool) {
        let mut left = RESTS;
        while !done() {
            thread::sleep(REST);
            while left > 0 && others_compute(&fs::read_to_string(LOAD).unwrap_or_default()) {
                left -= 1;
                thread::sleep(REST);
            }
            strike(self.0.start.as_ptr());
        }
    }
}

/// Whether something beside the reader wants a processor, in the words of [`LOAD`].
fn others_compute(load: &str) -> bool {
    let runnable = load.split_whitespace().nth(3).and_then(|tasks| tasks.split_once('/'));
    runnable.and_then(|(count, _)| count.parse::<u32>().ok()).is_some_and(|count| count > 1)
}

#[cfg(target_arch = "x86_64")]
fn strike(byte: *mut u8) {
    // SAFETY: the byte is mapped as long as its `Stop` lives; the registers that change are named.
    unsafe {
        std::arch::asm!(
            "rdtsc",
            "shl rdx, 32",
            "or rax, rdx",
            "mov r15, rax",
            "mov byte ptr [{byte}], 1",
            byte = in(reg) byte,
            out("rax") _,
            out("rdx") _,
            out("r15") _,
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn strike(_: *mut u8) {
    // No staging machine has another processor, and so nobody gets here.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_alone_is_nobody_else() {
        assert!(!others_compute("0.20 0.18 0.12 1/80 11206\n") && others_compute("0.20 0.18 0.12 2/80 11206\n"));
        assert!(others_compute("0.00 0.00 0.00 12/80 1") && !others_compute(""));
    }
}
