//! The bundle on a disk of its own: a drive whose serial number is `futon-bundle` holds the archive and nothing else.
//!
//! It is read past the kernel's cache, which would hold every byte a second time: the guest's files are in memory already.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
};

use futon_model::LeanBundle;

/// What direct reads are aligned to, at the disk and in memory, bytes.
const ALIGNMENT: usize = 4096;
/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// The bundle's disk, if there is one.
pub(super) fn open() -> io::Result<Option<Disk>> {
    let Some(path) = find() else { return Ok(None) };
    let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path)?;
    Ok(Some(Disk::new(file)))
}

fn find() -> Option<PathBuf> {
    fs::read_dir("/sys/block").ok()?.flatten().find_map(|disk| {
        let serial = fs::read_to_string(disk.path().join("serial")).ok()?;
        (serial.trim() == LeanBundle::DISK_SERIAL).then(|| PathBuf::from("/dev").join(disk.file_name()))
    })
}

/// A disk, read from its beginning.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    /// Offset of the next piece.
    next: u64,
    memory: Vec<u8>,
    /// What of `memory` has been read from the disk and not yet from here.
    from: usize,
    to: usize,
}

impl Disk {
    fn new(file: File) -> Self {
        Self { file, next: 0, memory: vec![0; PIECE + ALIGNMENT], from: 0, to: 0 }
    }

    fn fill(&mut self) -> io::Result<()> {
        let start = self.memory.as_ptr().align_offset(ALIGNMENT);
        let read = self.file.read_at(&mut self.memory[start..start + PIECE], self.next)?;
        self.next += read as u64;
        (self.from, self.to) = (start, start + read);
        Ok(())
    }
}

impl Read for Disk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.from == self.to {
            self.fill()?;
        }
        let length = buffer.len().min(self.to - self.from);
        buffer[..length].copy_from_slice(&self.memory[self.from..self.from + length]);
        self.from += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_in_whatever_pieces() {
        let path = std::env::temp_dir().join(format!("futon-disk-{}", std::process::id()));
        let bytes: Vec<u8> = (0..2 * PIECE + 512).map(|i| u8::try_from(i % 251).unwrap()).collect();
        fs::write(&path, &bytes).unwrap();
        let mut disk = Disk::new(File::open(&path).unwrap());
        let mut read = vec![0; 700];
        disk.read_exact(&mut read).unwrap();
        disk.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        fs::remove_file(&path).unwrap();
    }
}
