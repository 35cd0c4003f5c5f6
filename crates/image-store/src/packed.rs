//! Compressed content: recognised by its first bytes, as in the engine, not by its name or media type.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

/// How many bytes distinguish all compressions.
const MAGIC: usize = 6;

/// Largest window of a zstd frame that is unpacked, bytes: that of `zstd --ultra -22`.
const ZSTD_WINDOW: u64 = 128 << 20;

/// Memory for unpacking xz, KiB: enough for `xz -9`, whose dictionary has 64 MiB.
const XZ_MEMORY: u32 = 256 << 10;

/// Largest unpacked size, bytes: more than fits the guest's disk. A few KiB can unpack to any size.
pub const UNPACKED_MAX: u64 = 16 << 30;

/// How content is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Recognises a compression by the first bytes of its output.
    #[must_use]
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // The second is a skippable frame; tools that write in parts begin with one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// The uncompressed content, and its compression. Reading fails after [`UNPACKED_MAX`] bytes: see [`is_too_large`].
///
/// # Errors
/// The first bytes cannot be read. Errors in the content appear when the result is read; [`is_cut`] recognises content that
/// ends too early.
pub fn unpacked<'r>(content: impl Read + 'r) -> io::Result<(Compression, Box<dyn Read + 'r>)> {
    unpacked_within(content, UNPACKED_MAX)
}

/// The same with another limit.
pub(super) fn unpacked_within<'r>(
    mut content: impl Read + 'r,
    limit: u64,
) -> io::Result<(Compression, Box<dyn Read + 'r>)> {
    let mut start = Vec::with_capacity(MAGIC);
    content.by_ref().take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::of(&start);
    let content = Cursor::new(start).chain(content);
    let buffered = |content| BufReader::with_capacity(64 << 10, content);
    let unpacked: Box<dyn Read + 'r> = match compression {
        Compression::None => Box::new(content),
        Compression::Gzip => {
            Box::new(Gzip { member: Some(flate2::bufread::GzDecoder::new(buffered(content))), rest: None })
        }
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(content))),
        Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(buffered(content), true, XZ_MEMORY)),
        Compression::Zstd => Box::new(Zstd { decoder: None, content: buffered(content) }),
    };
    // Uncompressed content has no such limit.
    let bounded = |content| -> Box<dyn Read + 'r> { Box::new(Bounded { content, left: limit, limit }) };
    Ok((compression, if compression == Compression::None { unpacked } else { bounded(unpacked) }))
}

/// Content that is larger than a limit.
#[derive(Debug, thiserror::Error)]
#[error("it unpacks to more than {}", crate::packed::words(*.0))]
struct TooLarge(u64);

/// A size for people.
pub(super) fn words(bytes: u64) -> String {
    match bytes {
        gib if gib >= 1 << 30 => format!("{} GiB", gib >> 30),
        mib if mib >= 1 << 20 => format!("{} MiB", mib >> 20),
        bytes => format!("{bytes} bytes"),
    }
}

/// True when an error says that content unpacks to more than it may.
#[must_use]
pub fn is_too_large(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<TooLarge>)
}

/// Content with a maximum number of bytes.
struct Bounded<R> {
    content: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(TooLarge(self.limit)))?;
        Ok(read)
    }
}

/// True when an error says that content ended before it should.
#[must_use]
pub fn is_cut(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                return true;
            }
            // An error that was put into another is what `source` skips.
            cause = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
            continue;
        }
        cause = error.source();
    }
    false
}

/// One gzip member after the other. Other data after the last one, such as tape padding or a copy's leftover, is ignored, as gzip
/// and the engine do.
struct Gzip<R> {
    /// The current member.
    member: Option<flate2::bufread::GzDecoder<R>>,
    /// What follows the last one.
    rest: Option<R>,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let Some(mut rest) = self.member.take().map(flate2::bufread::GzDecoder::into_inner) else { break };
            if rest.fill_buf()?.first() == Some(&0x1f) {
                self.member = Some(flate2::bufread::GzDecoder::new(rest));
            } else {
                self.rest = Some(rest);
            }
        }
        // Readers that count or hash must see this, too.
        if let Some(mut rest) = self.rest.take() {
            io::copy(&mut rest, &mut io::sink())?;
        }
        Ok(0)
    }
}

/// One zstd frame after the other, until the content ends.
struct Zstd<R> {
    decoder: Option<FrameDecoder>,
    content: R,
}

impl<R: BufRead> Zstd<R> {
    /// Begins the next frame; false when there is none.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.content.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(ZSTD_WINDOW);
            match decoder.init(&mut self.content) {
                Ok(()) => {
                    self.decoder = Some(decoder);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.content).take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(decoder) = &mut self.decoder else {
                if self.next_frame()? {
                    continue;
                }
                return Ok(0);
            };
            while decoder.can_collect() == 0 && !decoder.is_finished() {
                decoder.decode_blocks(&mut self.content, UptoBlocks(1)).map_err(io::Error::other)?;
            }
            let read = decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let promised = decoder.get_checksum_from_data();
            if promised.is_some() && promised != decoder.get_calculated_checksum() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "zstd: the checksum is wrong"));
            }
            self.decoder = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn packed_by(program: &str, arguments: &[&str], content: &[u8]) -> Option<Vec<u8>> {
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut input = child.stdin.take().unwrap();
        let content = content.to_vec();
        let writing = std::thread::spawn(move || input.write_all(&content));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap().unwrap();
        output.status.success().then_some(output.stdout)
    }

    fn read(content: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        unpacked(content)?.1.read_to_end(&mut plain)?;
        Ok(plain)
    }

    /// Text, some blocks long, that does not compress to almost nothing.
    fn text() -> Vec<u8> {
        (0..60_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).chain(vec![b'x'; 300_000]).collect()
    }

    /// From Rust encoders, so that any host can run the test.
    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(content: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn what_follows_the_last_gzip_member_is_passed_over_and_read() {
        let text = text();
        let two = [gzip(&text[..1000]), gzip(&text[1000..])].concat();
        for rest in [&[][..], &[0; 700], b"left over", &[0x1e, 0x8b]] {
            let whole = [&two[..], rest].concat();
            let mut content = &whole[..];
            let mut plain = Vec::new();
            unpacked(&mut content).unwrap().1.read_to_end(&mut plain).unwrap();
            assert!(plain == text && content.is_empty(), "{rest:?}");
        }
        let cut = [&two[..], &gzip(&text)[..9]].concat();
        assert!(is_cut(&read(&cut).unwrap_err()), "a member that breaks off is none that is passed over");
    }

    #[test]
    fn every_compression_is_undone_and_a_cut_is_told() {
        let text = text();
        let mut all = vec![
            (Compression::Gzip, gzip(&text)),
            (Compression::Bzip2, bzip2(&text)),
            (Compression::Zstd, zstd(&text)),
        ];
        for (compression, program, arguments) in [
            (Compression::Xz, "xz", vec!["-c", "-0"]),
            (Compression::Xz, "xz", vec!["-c", "-0", "--block-size=65536", "--check=crc32"]),
            (Compression::Zstd, "zstd", vec!["-c", "-q", "--check", "-19"]),
            (Compression::Gzip, "gzip", vec!["-c"]),
            (Compression::Bzip2, "bzip2", vec!["-c"]),
        ] {
            all.extend(packed_by(program, &arguments, &text).map(|packed| (compression, packed)));
        }
        for (compression, packed) in all {
            assert_eq!(unpacked(&packed[..]).unwrap().0, compression);
            assert!(read(&packed).unwrap() == text, "{compression:?}");
            let twice = [&packed[..], &packed[..]].concat();
            assert_eq!(
                read(&twice).unwrap().len(),
                2 * text.len(),
                "{compression:?}: two streams, one after the other"
            );
            for end in [packed.len() - 1, packed.len() / 2, 7] {
                let error = read(&packed[..end]).unwrap_err();
                assert!(is_cut(&error), "{compression:?} cut at {end}: {error:?}");
            }
            let mut damaged = packed.clone();
            damaged[packed.len() / 2] ^= 0x55;
            match read(&damaged) {
                Ok(found) => assert!(found != text, "{compression:?}"),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        assert_eq!(unpacked(&b"plain"[..]).unwrap().0, Compression::None);
        assert_eq!(read(b"plain").unwrap(), b"plain");
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn what_unpacks_to_more_than_it_may_is_refused_by_that() {
        let zeros = vec![0; 1 << 20];
        for packed in [gzip(&zeros), bzip2(&zeros), zstd(&zeros)] {
            assert!(packed.len() < 8 << 10, "{}", packed.len());
            let read = |limit| {
                let mut bytes = Vec::new();
                unpacked_within(&packed[..], limit).unwrap().1.read_to_end(&mut bytes).map(|_| bytes.len())
            };
            assert_eq!(read(1 << 20).unwrap(), 1 << 20, "the limit itself fits");
            let error = read((1 << 20) - 1).unwrap_err();
            assert!(is_too_large(&error) && !is_cut(&error), "{error}");
            assert_eq!(error.to_string(), "it unpacks to more than 1048575 bytes");
        }
        assert!(unpacked_within(&zeros[..], 1).unwrap().1.read_to_end(&mut Vec::new()).is_ok(), "nothing is unpacked");
        assert_eq!(words(UNPACKED_MAX), "16 GiB");
    }

    #[test]
    fn a_skipped_frame_of_zstd_is_skipped() {
        let mut content = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        assert_eq!(unpacked(&content[..]).unwrap().0, Compression::Zstd);
        content.extend(zstd(b"behind it"));
        assert_eq!(read(&content).unwrap(), b"behind it");
        assert!(is_cut(&read(&content[..9]).unwrap_err()));
    }
}
