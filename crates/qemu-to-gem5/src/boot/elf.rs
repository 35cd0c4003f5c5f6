//! The parts of an ELF file that are loaded: 64 bits, little endian.

use crate::TransferError;

pub(super) struct Kernel<'a> {
    /// Physical address.
    pub(super) entry: u64,
    pub(super) segments: Vec<Segment<'a>>,
}

pub(super) struct Segment<'a> {
    /// Physical address.
    pub(super) at: u64,
    pub(super) bytes: &'a [u8],
    /// Bytes in memory, with what is zero at the start.
    pub(super) size: u64,
}

const LOAD: u64 = 1;

fn number(file: &[u8], at: u64, size: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = file.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)))
}

impl<'a> Kernel<'a> {
    pub(super) fn parse(file: &'a [u8]) -> Result<Self, TransferError> {
        if !file.starts_with(b"\x7fELF\x02\x01") {
            let why = "the kernel is no ELF file of 64 bits: it must be a vmlinux, not a bzImage";
            return Err(TransferError::Boot { why: why.into() });
        }
        let kernel =
            Self::loaded(file).ok_or_else(|| TransferError::Boot { why: "the kernel's ELF file is cut".into() })?;
        if kernel.segments.is_empty() {
            return Err(TransferError::Boot { why: "the kernel's ELF file has nothing to load".into() });
        }
        Ok(kernel)
    }

    fn loaded(file: &'a [u8]) -> Option<Self> {
        let entry = number(file, 24, 8)?;
        let headers = number(file, 32, 8)?;
        let (size, count) = (number(file, 54, 2)?, number(file, 56, 2)?);
        let mut segments = Vec::new();
        for i in 0..count {
            let header = headers.checked_add(i * size)?;
            let field = |offset: u64| number(file, header.checked_add(offset)?, 8);
            let (offset, at, in_file, size) = (field(8)?, field(24)?, field(32)?, field(40)?);
            if number(file, header, 4)? != LOAD || in_file == 0 {
                continue;
            }
            let offset = usize::try_from(offset).ok()?;
            let bytes = file.get(offset..offset.checked_add(usize::try_from(in_file).ok()?)?)?;
            segments.push(Segment { at, bytes, size: size.max(in_file) });
        }
        Some(Self { entry, segments })
    }
}
