//! PAX extended headers, read as Go's `archive/tar` reads them.

use std::collections::BTreeMap;

use super::fault::Fault;

/// Extended attributes in extended headers.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";
/// Version, map, name and size of a sparse file.
pub(super) const SPARSE_MAJOR: &[u8] = b"GNU.sparse.major";
pub(super) const SPARSE_MINOR: &[u8] = b"GNU.sparse.minor";
pub(super) const SPARSE_NAME: &[u8] = b"GNU.sparse.name";
pub(super) const SPARSE_MAP: &[u8] = b"GNU.sparse.map";
pub(super) const SPARSE_BLOCKS: &[u8] = b"GNU.sparse.numblocks";
pub(super) const SPARSE_SIZE: &[u8] = b"GNU.sparse.size";
pub(super) const SPARSE_REAL_SIZE: &[u8] = b"GNU.sparse.realsize";
const SPARSE_OFFSET: &[u8] = b"GNU.sparse.offset";
const SPARSE_BYTES: &[u8] = b"GNU.sparse.numbytes";

/// The records of an extended header; the last one of equal keys.
pub(super) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Seconds since 1970, and nanoseconds after them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds after that second.
    pub nanoseconds: u32,
}

/// Reads the records. The many records of sparse form 0.0 become the one of form 0.1.
///
/// # Errors
/// When a record is malformed.
pub(super) fn records(mut text: &[u8]) -> Result<Records, Fault> {
    let mut records = Records::new();
    let mut map: Vec<Vec<u8>> = Vec::new();
    while !text.is_empty() {
        let (key, value, rest) = record(text).ok_or_else(Fault::header)?;
        text = rest;
        if key == SPARSE_OFFSET || key == SPARSE_BYTES {
            let wanted = if map.len().is_multiple_of(2) { SPARSE_OFFSET } else { SPARSE_BYTES };
            if key != wanted || value.contains(&b',') {
                return Err(Fault::header());
            }
            map.push(value.to_vec());
        } else {
            records.insert(key.to_vec(), value.to_vec());
        }
    }
    if !map.is_empty() {
        records.insert(SPARSE_MAP.to_vec(), map.join(&b','));
    }
    Ok(records)
}

/// `LENGTH KEY=VALUE\n`, its length counted whole; the value may have line feeds in it.
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&text[..space])?).ok()?;
    if length < 5 || length > text.len() || length <= space + 1 {
        return None;
    }
    let (record, rest) = text.split_at(length);
    let record = record[space + 1..].strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    let checked = if matches!(key, b"path" | b"linkpath" | b"uname" | b"gname") { value } else { key };
    (!key.is_empty() && !checked.contains(&0)).then_some((key, value, rest))
}

/// A decimal number with or without a sign.
pub(super) fn decimal(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds with or without a fraction, of which nine digits count.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    let seconds = decimal(whole)?;
    let mut nanoseconds = 0;
    for place in 0..fraction.len().max(9) {
        let digit = fraction.get(place).map_or(0, |digit| digit.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        if place < 9 {
            nanoseconds = nanoseconds * 10 + u32::from(digit);
        }
    }
    if whole.first() == Some(&b'-') && nanoseconds > 0 {
        return Some(Time { seconds: seconds.wrapping_sub(1), nanoseconds: 1_000_000_000 - nanoseconds });
    }
    Some(Time { seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_their_length_before_them() {
        let read = |text: &[u8]| records(text).ok();
        let of = |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
        assert_eq!(read(b"10 path=a\n"), of(&[("path", "a")]));
        assert_eq!(read(b"9 a=b\nc=\n9 a=last\n"), of(&[("a", "last")]));
        assert_eq!(read(b"9 a=b\nc=\n"), of(&[("a", "b\nc=")]));
        assert_eq!(read(b"8 a=b\nc=\n"), None);
        assert_eq!(read(b"6 a=b\n7 c=d\n"), None);
        assert_eq!(read(b"9 path=\0\n"), None);
        assert_eq!(read(b"6 =ab\n"), None);
        assert_eq!(read(b"7 a=\0\n"), None);
        assert_eq!(read(b"6 a=\0\n"), of(&[("a", "\0")]));
        assert_eq!(read(b"99 a=b\n"), None);
        assert_eq!(read(b"x"), None);
    }

    #[test]
    fn times_have_fractions_and_signs() {
        let at = |seconds, nanoseconds| Some(Time { seconds, nanoseconds });
        assert_eq!(time(b"12"), at(12, 0));
        assert_eq!(time(b"12.5"), at(12, 500_000_000));
        assert_eq!(time(b"12.1234567899"), at(12, 123_456_789));
        assert_eq!(time(b"-1.25"), at(-2, 750_000_000));
        assert_eq!(time(b"-0.5"), at(-1, 500_000_000));
        assert_eq!(time(b"12."), at(12, 0));
        assert_eq!(time(b"12.x"), None);
        assert_eq!(time(b".5"), None);
    }
}
