//! Bytes one after the other, each read checked.

use crate::TransferError;

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn wrong(&self, why: impl Into<String>) -> TransferError {
        TransferError::Stream { at: self.at, why: why.into() }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], TransferError> {
        let end = self.at.checked_add(count);
        let Some((end, taken)) = end.and_then(|end| Some((end, self.bytes.get(self.at..end)?))) else {
            return Err(self.wrong(format!("{count} bytes are wanted, {} are left", self.left())));
        };
        self.at = end;
        Ok(taken)
    }

    pub(super) fn next_is(&self, byte: u64) -> bool {
        self.bytes.get(self.at).is_some_and(|b| u64::from(*b) == byte)
    }

    /// An unsigned number of at most 8 bytes.
    pub(super) fn number(&mut self, size: usize) -> Result<u64, TransferError> {
        Ok(self.take(size)?.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    pub(super) fn number32(&mut self) -> Result<u32, TransferError> {
        let number = self.number(4)?;
        u32::try_from(number).map_err(|_| self.wrong("more than 32 bits"))
    }

    pub(super) fn length(&mut self, size: usize) -> Result<usize, TransferError> {
        let number = self.number(size)?;
        usize::try_from(number).map_err(|_| self.wrong("a length beyond the address space"))
    }

    pub(super) fn text(&mut self, length: usize) -> Result<String, TransferError> {
        let taken = self.take(length)?;
        String::from_utf8(taken.to_vec()).map_err(|_| self.wrong("a name that is no text"))
    }

    /// One byte of length, then text.
    pub(super) fn name(&mut self) -> Result<String, TransferError> {
        let length = self.length(1)?;
        self.text(length)
    }
}
