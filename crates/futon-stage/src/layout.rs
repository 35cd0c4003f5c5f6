//! The window's bytes: a header, the outbox with the guest's records one behind the other, and the payload.
//!
//! All numbers are little endian, all places are counted from the window's first byte.

/// Begins a window.
pub const MAGIC: [u8; 8] = *b"FUTONWIN";
/// Length of the header, and so the place of the first record.
pub const HEADER: u64 = 4096;
/// Length of header and outbox. The host's file is sparse: what is not written takes no room.
pub const OUTBOX: u64 = 64 << 20;
/// Places of the header's numbers: the end of the last record, the payload's place and its length.
pub const END: usize = 8;
/// See [`END`].
pub const PAYLOAD_AT: usize = 16;
/// See [`END`].
pub const PAYLOAD_LENGTH: usize = 24;

/// Length of a record's own header: kind, length of the name, offset in the file, length of the data.
pub const RECORD: u64 = 24;
/// Longest name of a file.
pub const NAME_MAX: u64 = 255;

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Data of a file at an offset; offset 0 makes the file anew.
    File,
    /// A point in the workflow (`m5 fail`): its code is the offset, as a signed number.
    Point,
}

impl Kind {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::File => 1,
            Self::Point => 2,
        }
    }

    /// The kind of a number.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        [Self::File, Self::Point].into_iter().find(|kind| kind.number() == number)
    }
}

/// Bytes that a record takes, padded to a multiple of 8.
#[must_use]
pub fn record_length(name: u64, data: u64) -> u64 {
    RECORD.saturating_add(name).saturating_add(data).saturating_add(7) & !7
}

/// A record's header.
#[must_use]
pub fn record_header(kind: Kind, name: u32, offset: u64, data: u64) -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&kind.number().to_le_bytes());
    header[4..8].copy_from_slice(&name.to_le_bytes());
    header[8..16].copy_from_slice(&offset.to_le_bytes());
    header[16..].copy_from_slice(&data.to_le_bytes());
    header
}

/// Length of a window with a payload, bytes: a multiple of 1 MiB.
#[must_use]
pub fn window_length(payload: u64) -> u64 {
    OUTBOX.saturating_add(payload).saturating_add((1 << 20) - 1) & !((1 << 20) - 1)
}
