//! Frames (RFC 9113, section 4 and 6).

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header.
pub const HEADER: usize = 9;
/// Bytes of a frame's payload at most, where nothing else is agreed.
pub const LARGEST: usize = 16_384;

/// Types of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 0x20;
}

/// Settings.
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Codes of errors.
pub mod error {
    pub const CANCEL: u32 = 8;
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of its payload.
    pub length: usize,
    /// Type.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Stream.
    pub stream: u32,
}

impl Frame {
    /// The header at the beginning of `bytes`, where there is a whole one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s @ ..] = *bytes.first_chunk::<HEADER>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(Self { length, kind, flags, stream: u32::from_be_bytes(s) & 0x7fff_ffff })
    }

    /// Whether a flag is set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a frame's header. Payloads here are shorter than 2^24 bytes.
pub fn begin(to: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    to.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

/// Writes a frame of one number.
pub fn number(to: &mut Vec<u8>, kind: u8, stream: u32, value: u32) {
    begin(to, 4, kind, 0, stream);
    to.extend_from_slice(&value.to_be_bytes());
}

/// Writes settings.
pub fn settings(to: &mut Vec<u8>, list: &[(u16, u32)]) {
    begin(to, 6 * list.len(), kind::SETTINGS, 0, 0);
    for (name, value) in list {
        to.extend_from_slice(&name.to_be_bytes());
        to.extend_from_slice(&value.to_be_bytes());
    }
}

/// Name of an error's code (RFC 9113, section 7).
pub fn error_name(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES.get(code as usize).copied().unwrap_or("an unknown error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let mut bytes = Vec::new();
        begin(&mut bytes, 0x01_02_03, kind::HEADERS, flag::END_HEADERS, 7);
        let frame = Frame::read(&bytes).unwrap();
        assert_eq!(frame, Frame { length: 0x01_02_03, kind: 1, flags: 4, stream: 7 });
        assert!(frame.has(flag::END_HEADERS) && !frame.has(flag::END_STREAM));
        assert_eq!(Frame::read(&bytes[..8]), None);
    }
}
