//! Files of JSON lines that several processes append to.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use futon_common::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends a line.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Path, entry: &impl Serialize) -> Result<()> {
    append_all(path, std::slice::from_ref(entry))
}

/// Appends lines.
///
/// # Errors
/// When they cannot be written.
pub fn append_all(path: &Path, entries: &[impl Serialize]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = File::options().create(true).append(true).read(true).open(path).context(failed)?;
    // Between hosts appending alone is not enough; a file system without locks has no other hosts.
    let _ = file.lock();
    let mut text = Vec::new();
    if ends_within_a_line(&mut file).context(failed)? {
        text.push(b'\n');
    }
    for entry in entries {
        serde_json::to_writer(&mut text, entry).context(failed)?;
        text.push(b'\n');
    }
    file.write_all(&text).context(failed)
}

/// Whether the last writer was stopped in the middle of its line.
fn ends_within_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Reads all lines; those that are not whole are left out. A file that is not there has none.
///
/// # Errors
/// When it cannot be read.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).context(|| format!("cannot read {}", path.display())),
    };
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Reads what is appended to a file from now on.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    read: u64,
}

impl Tail {
    /// From its present end.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let read = std::fs::metadata(path).map_or(0, |data| data.len());
        Self { path: path.to_owned(), read }
    }

    /// The whole lines that were appended since the last call.
    pub fn more<T: DeserializeOwned>(&mut self) -> Vec<T> {
        let mut text = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut text)
        });
        let Some(end) = text.iter().rposition(|byte| *byte == b'\n').filter(|_| read.is_ok()) else {
            return Vec::new();
        };
        self.read += end as u64 + 1;
        text[..end].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        assert_eq!(read::<u32>(&path).unwrap(), [0; 0]);
        append(&path, &1).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"broken").unwrap();
        append_all(&path, &[2, 3]).unwrap();
        assert_eq!(read::<u32>(&path).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_tail_has_whole_lines_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        append(&path, &1).unwrap();
        let mut tail = Tail::of(&path);
        append(&path, &2).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"3").unwrap();
        assert_eq!(tail.more::<u32>(), [2]);
        file.write_all(b"3\n").unwrap();
        assert_eq!((tail.more::<u32>(), tail.more::<u32>()), (vec![33], vec![]));
    }

    #[test]
    fn many_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|line| append(path, &(writer * 50 + line)).unwrap()));
            }
        });
        let mut found = read::<u32>(&path).unwrap();
        found.sort_unstable();
        assert_eq!(found, (0..400).collect::<Vec<_>>());
    }
}
