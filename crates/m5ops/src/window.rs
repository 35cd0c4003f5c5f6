//! The address form's window: 64 KiB of physical memory mapped through `/dev/mem`.

use std::{fs::OpenOptions, io, os::fd::AsRawFd, os::unix::fs::OpenOptionsExt, ptr};

use crate::{Error, op::Op, raw};

const LENGTH: usize = 0x1_0000;

/// The mapped window; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Window {
    base: ptr::NonNull<u8>,
}

// SAFETY: the mapping belongs to the whole process and is only ever read, at addresses that belong to it.
unsafe impl Send for Window {}
// SAFETY: as above; gem5 serialises operations itself.
unsafe impl Sync for Window {}

impl Window {
    /// Maps the window. Only ever called on a machine that names itself gem5.
    pub(crate) fn map() -> Result<Self, Error> {
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_SYNC)
            .open("/dev/mem")
            .map_err(|source| Error::Window { what: "open /dev/mem", source })?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                LENGTH,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                memory.as_raw_fd(),
                raw::WINDOW_BASE,
            )
        };
        let failed = || Error::Window { what: "map gem5's window of /dev/mem", source: io::Error::last_os_error() };
        if base == libc::MAP_FAILED {
            return Err(failed());
        }
        Ok(Self { base: ptr::NonNull::new(base.cast()).ok_or_else(failed)? })
    }

    /// Where `op` is called.
    pub(crate) fn address(&self, op: Op) -> *const u8 {
        self.base.as_ptr().wrapping_add(op.window_offset()).cast_const()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length and nothing keeps an address of it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), LENGTH) };
    }
}
