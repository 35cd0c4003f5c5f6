//! One value of a stream.

use std::sync::Arc;

/// One value of the stream. The path has no array indices: `env.segs[].base`.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) path: Arc<str>,
    /// Where it stands in the stream, bytes.
    #[cfg(test)]
    pub(crate) place: std::ops::Range<usize>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Number(i128),
    Bytes(Vec<u8>),
    /// A subsection begins here: its version.
    Subsection(u32),
}
