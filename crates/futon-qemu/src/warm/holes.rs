//! Punches holes into a warm base's memory file, so that forks do not read scrubbed or unused memory from the disk.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};

use futon_common::{Context, Error, Result};

/// Replaces zero pages of a file by holes; it reads as before.
///
/// # Errors
/// When it cannot be read, or the system refuses.
pub(super) fn dig_holes(path: &Path) -> Result<()> {
    const PAGE: usize = 4096;
    let failed = || format!("cannot read {}", path.display());
    let file = File::options().read(true).write(true).open(path).context(failed)?;
    let end = file.metadata().context(failed)?.len();
    let mut piece = vec![0; 256 * PAGE];
    let mut hole = 0..0;
    let mut at = 0;
    while at < end {
        let data = lseek(&file, i64::try_from(at).unwrap_or(i64::MAX), Whence::SeekData);
        let Ok(data) = data.map(i64::cast_unsigned) else { break };
        at = data / PAGE as u64 * PAGE as u64;
        let read = file.read_at(&mut piece, at).context(failed)?;
        if read == 0 {
            break;
        }
        for page in piece[..read].chunks(PAGE) {
            if page.iter().all(|byte| *byte == 0) {
                if hole.end != at {
                    punch(&file, &hole)?;
                    hole = at..at;
                }
                hole.end = at + page.len() as u64;
            }
            at += page.len() as u64;
        }
    }
    punch(&file, &hole)
}

fn punch(file: &File, hole: &Range<u64>) -> Result<()> {
    let offsets = (i64::try_from(hole.start), i64::try_from(hole.end - hole.start));
    let (Ok(begin), Ok(length @ 1..)) = offsets else { return Ok(()) };
    let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(file, how, begin, length) {
        // A file system without holes keeps the zeroes.
        Ok(()) | Err(Errno::EOPNOTSUPP) => Ok(()),
        Err(e) => Err(Error::infra(format!("cannot punch holes into the memory file: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn zeroes_are_taken_out_and_the_content_stays() {
        const PAGE: usize = 4096;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        let mut content = vec![0_u8; 600 * PAGE];
        // Across the pieces that are read, at the very end, and one byte in the middle of a page.
        for byte in [0, 255 * PAGE, 256 * PAGE, 300 * PAGE + 7, 600 * PAGE - 1] {
            content[byte] = 1;
        }
        std::fs::write(&path, &content).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        dig_holes(&path).unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!(after.len(), before.len());
        assert!(after.blocks() * 512 <= 16 * PAGE as u64, "{} of {} blocks", after.blocks(), before.blocks());
        assert_eq!(std::fs::read(&path).unwrap(), content);
        dig_holes(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}
