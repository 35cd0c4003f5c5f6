//! Headers of replies (RFC 7541). A crate decodes them; the lists that change nothing in the decoder's table, as almost all of a load do,
//! are decoded once.

use std::fmt;

use fluke_hpack::Decoder;

use crate::load::flight::push_header;

/// Bytes of headers that are taken, as everywhere in this client.
const LONGEST: usize = 16 << 10;
/// Lists that are known by heart, until the table changes.
const KNOWN: usize = 8;
/// Bytes of the decoder's table: HTTP/2's default.
const TABLE: usize = 4096;

/// What is wrong with a list of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// It is none: both sides no longer have one table, and the connection is of no use.
    Malformed,
    /// It is longer than what is taken.
    TooLong,
    /// A name in it has capitals or other characters that no name has (RFC 9113, 8.2.1).
    Name,
}

/// Decodes the lists of one connection.
pub struct Headers {
    decoder: Decoder<'static>,
    known: Vec<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Headers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Headers").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Headers {
    /// For a new connection.
    pub fn new() -> Self {
        let mut decoder = Decoder::new();
        decoder.set_max_allowed_table_size(TABLE);
        Self { decoder, known: Vec::new() }
    }

    /// Adds the headers of `block` to `to`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(&mut self, block: &[u8], to: &mut Vec<u8>) -> Result<(), Bad> {
        if let Some((_, decoded)) = self.known.iter().find(|(known, _)| known == block) {
            to.extend_from_slice(decoded);
            return Ok(());
        }
        // The decoder itself panics at some lists that are cut off.
        let changes = changes_table(block).ok_or(Bad::Malformed)?;
        if changes {
            self.known.clear();
        }
        let (begin, mut size, mut names_are_right) = (to.len(), 0, true);
        let decoded = self.decoder.decode_with_cb(block, |name, value| {
            // RFC 9113, section 10.5.1: 32 bytes more for each.
            size += name.len() + value.len() + 32;
            names_are_right &= is_name(&name);
            if size <= LONGEST {
                push_header(to, &name, &value);
            }
        });
        decoded.map_err(|_| Bad::Malformed)?;
        if size > LONGEST {
            return Err(Bad::TooLong);
        }
        if !names_are_right {
            return Err(Bad::Name);
        }
        if !changes && self.known.len() < KNOWN {
            self.known.push((block.to_vec(), to.get(begin..).unwrap_or_default().to_vec()));
        }
        Ok(())
    }
}

/// Whether a header of HTTP/2 may have this name. A colon begins those of the protocol's own.
fn is_name(name: &[u8]) -> bool {
    let name = name.strip_prefix(b":").unwrap_or(name);
    !name.is_empty() && !name.iter().any(|b| matches!(b, 0..=b' ' | b'A'..=b'Z' | b':' | 0x7f..))
}

/// Whether a list changes the table; nothing where it is cut off.
fn changes_table(block: &[u8]) -> Option<bool> {
    let mut rest = block;
    let mut changes = false;
    while let Some(first) = rest.first() {
        let (prefix, literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        changes |= (0x20..0x80).contains(first);
        let (index, after) = integer(rest, prefix)?;
        rest = after;
        if literal {
            if index == 0 {
                rest = skip_string(rest)?;
            }
            rest = skip_string(rest)?;
        }
    }
    Some(changes)
}

/// A number that begins with the last `prefix` bits of a byte, and what follows it.
fn integer(bytes: &[u8], prefix: u8) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & mask;
    if value < mask {
        return Some((value, rest));
    }
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        rest = after;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

fn skip_string(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = integer(bytes, 7)?;
    rest.get(length..)
}

/// Writes a number with a prefix of so many bits, the bits before it as in `first`.
pub fn write_integer(to: &mut Vec<u8>, first: u8, prefix: u8, value: usize) {
    let mask = (1_usize << prefix) - 1;
    let low = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    if value < mask {
        to.push(first | low(value));
        return;
    }
    to.push(first | low(mask));
    let mut rest = value - mask;
    while rest >= 0x80 {
        to.push(low(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    to.push(low(rest));
}

/// Writes a string as it is.
pub fn write_string(to: &mut Vec<u8>, text: &[u8]) {
    write_integer(to, 0, 7, text.len());
    to.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::flight::headers;

    fn decoded(decoder: &mut Headers, block: &[u8]) -> Result<Vec<(String, String)>, Bad> {
        let mut list = Vec::new();
        decoder.decode(block, &mut list)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(headers(&list).map(|(name, value)| (text(name), text(value))).collect())
    }

    #[test]
    fn lists_are_decoded_and_known_until_the_table_changes() {
        let mut decoder = Headers::new();
        let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        // :status 200, then grpc-status 0 put into the table.
        let mut first = vec![0x88, 0x40];
        write_string(&mut first, b"grpc-status");
        write_string(&mut first, b"0");
        assert_eq!(decoded(&mut decoder, &first).unwrap(), [one(":status", "200"), one("grpc-status", "0")]);
        assert!(decoder.known.is_empty());
        for _ in 0..2 {
            assert_eq!(decoded(&mut decoder, &[0x88, 0xbe]).unwrap()[1], one("grpc-status", "0"));
            assert_eq!(decoder.known.len(), 1);
        }
        // Another entry moves it on: what was known is wrong now.
        let mut second = vec![0x40];
        write_string(&mut second, b"a");
        write_string(&mut second, b"b");
        decoded(&mut decoder, &second).unwrap();
        assert_eq!(decoded(&mut decoder, &[0x88, 0xbe]).unwrap()[1], one("a", "b"));
        assert_eq!(decoded(&mut decoder, &[0x88, 0xbf]).unwrap()[1], one("grpc-status", "0"));
    }

    #[test]
    fn what_is_cut_off_or_leads_nowhere_is_malformed() {
        let mut whole = vec![0x40];
        write_string(&mut whole, b"grpc-status");
        write_string(&mut whole, &[b'0'; 200]);
        for cut in 1..whole.len() {
            assert_eq!(decoded(&mut Headers::new(), &whole[..cut]), Err(Bad::Malformed), "{cut}");
        }
        for block in
            [&[0xbe][..], &[0x80], &[0x3f], &[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x3f, 0xff, 0xff, 0x7f], &[0x20]]
        {
            assert_eq!(decoded(&mut Headers::new(), block), Err(Bad::Malformed), "{block:x?}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_said_and_the_next_one_is_read() {
        let mut decoder = Headers::new();
        let mut long = Vec::new();
        for _ in 0..5 {
            long.push(0);
            write_string(&mut long, b"x");
            write_string(&mut long, &[b'y'; 4000]);
        }
        assert_eq!(decoded(&mut decoder, &long), Err(Bad::TooLong));
        assert_eq!(decoded(&mut decoder, &[0x88]).unwrap().len(), 1);
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for value in [0, 30, 31, 127, 128, 1337, 1 << 20] {
            let mut bytes = Vec::new();
            write_integer(&mut bytes, 0x20, 5, value);
            assert_eq!(integer(&bytes, 5), Some((value, &[][..])), "{value}");
        }
    }
}
