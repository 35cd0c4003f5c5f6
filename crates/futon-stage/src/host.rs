//! The host's side: it writes the window before the machine starts, and takes out what the guest has put in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::layout::{
    END, HEADER, Kind, MAGIC, NAME_MAX, OUTBOX, PAYLOAD_AT, PAYLOAD_LENGTH, RECORD, record_length, window_length,
};

/// Writes header and payload of the window that begins at `base` of the memory file. The file must reach as far as the window does.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write_window(memory: &File, base: u64, payload: &Path) -> io::Result<()> {
    let mut source = File::open(payload)?;
    let length = source.metadata()?.len();
    let mut header = [0; 32];
    header[..8].copy_from_slice(&MAGIC);
    header[END..END + 8].copy_from_slice(&HEADER.to_le_bytes());
    header[PAYLOAD_AT..PAYLOAD_AT + 8].copy_from_slice(&OUTBOX.to_le_bytes());
    header[PAYLOAD_LENGTH..].copy_from_slice(&length.to_le_bytes());
    memory.write_all_at(&header, base)?;
    let mut target = memory;
    target.seek(SeekFrom::Start(base + OUTBOX))?;
    io::copy(&mut source, &mut target).map(|_| ())
}

/// Length of the window for a payload, bytes.
///
/// # Errors
/// When the payload cannot be looked at.
pub fn length_for(payload: &Path) -> io::Result<u64> {
    Ok(window_length(fs::metadata(payload)?.len()))
}

/// What the guest has put into the window, taken out record by record.
#[derive(Debug)]
pub struct Outbox {
    memory: File,
    base: u64,
    taken: u64,
    folder: PathBuf,
}

impl Outbox {
    /// The outbox of the window at `base` of a memory file; files go to `folder`.
    ///
    /// # Errors
    /// When the memory file cannot be opened.
    pub fn open(memory: &Path, base: u64, folder: &Path) -> io::Result<Self> {
        Ok(Self { memory: File::open(memory)?, base, taken: HEADER, folder: folder.to_owned() })
    }

    /// Takes what is new: files are written as the simulator's `writefile` does; the codes of points are returned.
    ///
    /// # Errors
    /// When the guest wrote records that cannot be, or the host cannot write its files.
    pub fn take(&mut self) -> io::Result<Vec<i64>> {
        let mut end = [0; 8];
        self.memory.read_exact_at(&mut end, self.base + END as u64)?;
        let end = u64::from_le_bytes(end);
        if end < self.taken || end > OUTBOX {
            return Err(wrong(&format!("the outbox ends at {end}")));
        }
        let mut points = Vec::new();
        while self.taken < end {
            points.extend(self.take_one(end)?);
        }
        Ok(points)
    }

    fn take_one(&mut self, end: u64) -> io::Result<Option<i64>> {
        let mut header = [0; 24];
        if end - self.taken < RECORD {
            return Err(wrong("a record is cut short"));
        }
        self.memory.read_exact_at(&mut header, self.base + self.taken)?;
        let small = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let large = |at: usize| u64::from(small(at)) | u64::from(small(at + 4)) << 32;
        let (kind, name, offset, data) = (small(0), u64::from(small(4)), large(8), large(16));
        let length = record_length(name, data);
        if name > NAME_MAX || data > OUTBOX || length > end - self.taken {
            return Err(wrong("a record is longer than the outbox"));
        }
        let at = self.base + self.taken + RECORD;
        let mut text = vec![0; usize::try_from(name).unwrap_or_default()];
        self.memory.read_exact_at(&mut text, at)?;
        self.taken += length;
        match Kind::of(kind) {
            Some(Kind::Point) => return Ok(Some(offset.cast_signed())),
            Some(Kind::File) => {}
            None => return Err(wrong(&format!("records of kind {kind} are not known"))),
        }
        let file = self.file(&text)?;
        let mut source = &self.memory;
        source.seek(SeekFrom::Start(at + name))?;
        let mut target = if offset == 0 {
            File::create(&file)?
        } else {
            let mut target = OpenOptions::new().write(true).open(&file)?;
            if target.metadata()?.len() < offset {
                return Err(wrong(&format!("{} would have a hole", file.display())));
            }
            target.seek(SeekFrom::Start(offset))?;
            target
        };
        io::copy(&mut source.take(data), &mut target)?;
        target.flush()?;
        Ok(None)
    }

    /// The guest names files by one plain component; whatever else it names lies outside the folder.
    fn file(&self, name: &[u8]) -> io::Result<PathBuf> {
        let plain = |name: &&str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        let name = std::str::from_utf8(name).ok().filter(plain);
        name.map(|name| self.folder.join(name)).ok_or_else(|| wrong("a file's name is not one plain component"))
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the guest's window: {what}"))
}
