//! Bodies of answers: by length, in chunks, or until the connection ends.

use std::io::{self, BufRead, Read};

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// In chunks; so many bytes of the present one are left, and whether it is the first.
    Chunked { left: u64, first: bool },
    /// Until the connection ends.
    Close,
}

/// A body, read as a stream.
#[derive(Debug)]
pub struct Body<R> {
    source: R,
    framing: Framing,
}

impl<R: BufRead> Body<R> {
    pub(super) fn new(source: R, framing: Framing) -> Self {
        Self { source, framing }
    }

    /// The whole body as text if it is at most `limit` bytes, else its beginning.
    pub fn text(&mut self, limit: u64) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.by_ref().take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn bounded_read(&mut self, left: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(part) = buffer.get_mut(..room) else { return Ok(0) };
        let got = self.source.read(part)?;
        if got == 0 && !part.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended in the middle of the body"));
        }
        Ok(got)
    }

    /// Reads the line with the next chunk's size; behind the last one also the trailer.
    fn next_chunk(&mut self, first: bool) -> io::Result<u64> {
        if !first {
            self.line()?;
        }
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{digits:?} is not a chunk size")))?;
        if size == 0 {
            while !self.line()?.is_empty() {}
        }
        Ok(size)
    }

    fn line(&mut self) -> io::Result<String> {
        const LONGEST: u64 = 8 * 1024;
        let mut line = Vec::new();
        let got = self.source.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if got == 0 || line.last() != Some(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended between two chunks"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.framing {
            Framing::Close => self.source.read(buffer),
            Framing::Length(0) => Ok(0),
            Framing::Length(left) => {
                let got = self.bounded_read(left, buffer)?;
                self.framing = Framing::Length(left - got as u64);
                Ok(got)
            }
            Framing::Chunked { left: 0, first } => match self.next_chunk(first)? {
                0 => {
                    self.framing = Framing::Length(0);
                    Ok(0)
                }
                size => {
                    self.framing = Framing::Chunked { left: size, first: false };
                    self.read(buffer)
                }
            },
            Framing::Chunked { left, .. } => {
                let got = self.bounded_read(left, buffer)?;
                self.framing = Framing::Chunked { left: left - got as u64, first: false };
                Ok(got)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Framing = Framing::Chunked { left: 0, first: true };

    fn read(text: &str, framing: Framing) -> io::Result<String> {
        let mut all = String::new();
        Body::new(text.as_bytes(), framing).read_to_string(&mut all)?;
        Ok(all)
    }

    #[test]
    fn chunks_are_joined_extensions_and_trailers_skipped() {
        let text = "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\nrest";
        assert_eq!(read(text, START).unwrap(), "hello!");
    }

    #[test]
    fn a_body_that_breaks_off_is_an_error() {
        for text in ["5\r\nhel", "5\r\nhello\r\n", "", "zz\r\n", "0\r\n"] {
            assert!(read(text, START).is_err(), "{text:?}");
        }
        assert!(read("abc", Framing::Length(4)).is_err());
    }

    #[test]
    fn a_length_ends_the_body() {
        assert_eq!(read("abcdef", Framing::Length(3)).unwrap(), "abc");
        assert_eq!(read("abcdef", Framing::Close).unwrap(), "abcdef");
    }
}
