//! Transfer buffers whose pages are present when the simulator looks at them, and names for the host's side.
//!
//! Only the pages that a transfer needs are touched: on a simulated core each costs instructions.

use std::{
    ffi::CString,
    io::{self, Read},
    ops::Range,
};

use crate::Error;

/// Bytes moved by one call.
pub(crate) const PIECE: usize = 256 * 1024;

/// Room behind the data for a file name and its final zero.
const NAME_ROOM: usize = 256;

/// The smallest page there is.
const PAGE: usize = 4096;

/// A buffer of [`PIECE`] bytes and a file name, whose pages stay in memory once they were written.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
}

impl Buffer {
    pub(crate) fn new() -> Result<Self, Error> {
        let bytes = vec![0_u8; PIECE + NAME_ROOM].into_boxed_slice();
        // SAFETY: the range is owned by `bytes` and only its residency changes.
        if unsafe { libc::mlock2(bytes.as_ptr().cast(), bytes.len(), libc::MLOCK_ONFAULT) } != 0 {
            return Err(Error::Lock(io::Error::last_os_error()));
        }
        Ok(Self { bytes })
    }

    /// Writes a byte of every data page.
    pub(crate) fn touch(&mut self) {
        // Two bytes of one page may be less than a page apart where the buffer does not begin with one: the last byte is written, too.
        for byte in self.bytes[..PIECE].iter_mut().step_by(PAGE) {
            *byte = 0;
        }
        self.bytes[PIECE - 1] = 0;
        std::hint::black_box(&mut self.bytes);
    }

    /// Address of the data as the simulator wants it.
    pub(crate) fn address(&mut self) -> u64 {
        self.bytes.as_mut_ptr().expose_provenance() as u64
    }

    /// Data bytes.
    pub(crate) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[..PIECE][range]
    }

    /// Fills the data from `source` as far as it goes and returns the length, bytes. What is filled is present: it was written.
    pub(crate) fn fill(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        let mut length = 0;
        while length < PIECE {
            match source.read(&mut self.bytes[length..PIECE]) {
                Ok(0) => break,
                Ok(got) => length += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }

    /// Puts a file name behind the data and returns its address.
    pub(crate) fn hold_name(&mut self, name: &CString) -> u64 {
        let bytes = name.as_bytes_with_nul();
        self.bytes[PIECE..PIECE + bytes.len()].copy_from_slice(bytes);
        self.bytes[PIECE..].as_mut_ptr().expose_provenance() as u64
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the range is still owned by `bytes` and only its residency changes.
        unsafe { libc::munlock(self.bytes.as_ptr().cast(), self.bytes.len()) };
    }
}

/// Checks a name for the simulator's output folder: one plain component.
pub(crate) fn host_name(name: &str) -> Result<CString, Error> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains('/') && name.len() < NAME_ROOM;
    match CString::new(name) {
        Ok(checked) if plain => Ok(checked),
        _ => Err(Error::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["", ".", "..", "/etc/passwd", "a/b", "a\0b", &"x".repeat(256)] {
            assert!(host_name(name).is_err(), "{name:?}");
        }
        assert_eq!(host_name("results.log").unwrap().as_bytes(), b"results.log");
        assert!(host_name(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn a_buffer_fills_from_short_reads_and_keeps_its_name() {
        let mut buffer = Buffer::new().unwrap();
        buffer.hold_name(&host_name("x").unwrap());
        let mut source = (&b"ab"[..]).chain(&b"cd"[..]);
        assert_eq!(buffer.fill(&mut source).unwrap(), 4);
        assert_eq!(buffer.get(0..4), b"abcd");
        buffer.touch();
        assert_eq!(buffer.get(1..4), b"bcd");
        assert_eq!(buffer.get(0..1), b"\0");
        assert_eq!(&buffer.bytes[PIECE..PIECE + 2], b"x\0");
    }
}
