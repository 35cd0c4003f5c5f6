//! Files: what tells one from another.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use sha2::{Digest, Sha256};

use crate::{Context, Result};

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).context(|| format!("cannot read {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).context(|| format!("cannot read {}", path.display()))?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

/// SHA-256 of what a sparse file holds, in hexadecimal: of its length and of each block that is not zero, with its place. Holes, most of a
/// guest's memory, cost nothing, and zeros that were written count as holes do.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_of_data(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let length = each_block(path, &mut |at, block| {
        hash.update(at.to_le_bytes());
        hash.update(block);
        Ok(())
    })?;
    hash.update(length.to_le_bytes());
    Ok(hex::encode(hash.finalize()))
}

/// Copies what a sparse file holds into another file, from a place on; what is zero stays as it is there. Returns the source's length.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_data(path: &Path, to: &File, place: u64) -> Result<u64> {
    each_block(path, &mut |at, block| to.write_all_at(block, place + at).context(|| "cannot write the copy".into()))
}

/// Goes through the blocks of a file that are not zero, with their places. Returns the file's length.
fn each_block(path: &Path, take: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<u64> {
    const BLOCK: u64 = 64 << 10;
    let failed = || format!("cannot read {}", path.display());
    let file = File::open(path).context(failed)?;
    let length = file.metadata().context(failed)?.len();
    let mut block = Vec::new();
    let mut at = 0;
    while let Some(data) = next_data(&file, at, length) {
        at = data / BLOCK * BLOCK;
        block.resize(usize::try_from((length - at).min(BLOCK)).unwrap_or_default(), 0);
        file.read_exact_at(&mut block, at).context(failed)?;
        if block.iter().any(|byte| *byte != 0) {
            take(at, &block)?;
        }
        at += BLOCK;
    }
    Ok(length)
}

/// Where the next data begin, from a place on; nothing when only a hole follows.
fn next_data(file: &File, at: u64, length: u64) -> Option<u64> {
    if at >= length {
        return None;
    }
    match lseek(file, i64::try_from(at).ok()?, Whence::SeekData) {
        Ok(place) => u64::try_from(place).ok(),
        Err(Errno::ENXIO) => None,
        // A file system that does not know its holes.
        Err(_) => Some(at),
    }
}

/// SHA-256 of a text or of bytes, in hexadecimal.
#[must_use]
pub fn sha256_bytes(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Lets everybody read a file that was made as a private temporary one.
///
/// # Errors
/// When the system refuses.
pub fn readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Lets everybody look into a folder that was made as a private temporary one.
///
/// # Errors
/// When the system refuses.
pub fn shared(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// Size and time stamp of a file, nanoseconds since 1970: what tells that it changed without reading it.
///
/// # Errors
/// When there is no such file.
pub fn stamp(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_hash_of_a_file_with_holes_is_of_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[(u64, u8)], length: u64| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_len(length).unwrap();
            bytes.iter().for_each(|(at, byte)| file.write_all_at(&[*byte], *at).unwrap());
            path
        };
        let length = 40 << 20;
        let one = file("one", &[(5, 1), (30 << 20, 2)], length);
        assert!(fs::metadata(&one).unwrap().blocks() * 512 < length / 2, "it has holes");
        let hash = |path: &Path| sha256_of_data(path).unwrap();
        // Zeros that were written are no data.
        assert_eq!(hash(&one), hash(&file("two", &[(5, 1), (20 << 20, 0), (30 << 20, 2)], length)));
        for (n, other) in [
            (&[(5, 1), (30 << 20, 3)][..], length),
            (&[(5, 1)], length),
            (&[(5, 1), ((30 << 20) + 65536, 2)], length),
            (&[(5, 1), (30 << 20, 2)], length + 1),
            (&[(5, 1), (30 << 20, 2), (length - 1, 1)], length),
        ]
        .into_iter()
        .enumerate()
        {
            assert_ne!(hash(&one), hash(&file(&format!("other-{n}"), other.0, other.1)), "{n}");
        }
    }
}
