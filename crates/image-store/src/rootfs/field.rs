//! Fields of a tar header: text, octal and base-256 numbers, the checksum, which kind of header it is.

use super::fault::Fault;

/// Length of a header, and what contents are padded to, bytes.
pub(super) const BLOCK: usize = 512;

/// The kinds of header that differ in what stands behind the first fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Unix version 7: nothing does.
    V7,
    /// POSIX, with a prefix of the name.
    Ustar,
    /// Jörg Schilling's, with a shorter prefix.
    Star,
    /// GNU's, with sparse maps.
    Gnu,
}

/// The form of a header, by its magic.
///
/// # Errors
/// When the checksum, which old writers made of signed bytes, is wrong.
pub(super) fn form(block: &[u8; BLOCK]) -> Result<Form, Fault> {
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    let sum = octal(&block[148..156])?;
    if sum != unsigned && sum != signed {
        return Err(Fault::header());
    }
    Ok(match (&block[257..263], &block[263..265]) {
        (b"ustar\0", _) if &block[508..512] == b"tar\0" => Form::Star,
        (b"ustar\0", _) => Form::Ustar,
        (b"ustar ", b" \0") => Form::Gnu,
        _ => Form::V7,
    })
}

/// Text that ends at the first zero byte.
pub(super) fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// A number: octal digits, or base 256 in two's complement where the first bit is set.
///
/// # Errors
/// When it is neither, or does not fit 64 bits.
pub(super) fn number(field: &[u8]) -> Result<i64, Fault> {
    let Some(first) = field.first().copied().filter(|first| first & 0x80 != 0) else { return octal(field) };
    let invert = if first & 0x40 == 0 { 0 } else { 0xff };
    let mut value = 0_u64;
    for (at, byte) in field.iter().enumerate() {
        let byte = byte ^ invert;
        let byte = if at == 0 { byte & 0x7f } else { byte };
        if value >> 56 > 0 {
            return Err(Fault::header());
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).map_err(|_| Fault::header())?;
    Ok(if invert == 0 { value } else { !value })
}

fn octal(field: &[u8]) -> Result<i64, Fault> {
    let is_padding = |byte: &u8| *byte == b' ' || *byte == 0;
    let Some(first) = field.iter().position(|byte| !is_padding(byte)) else { return Ok(0) };
    let last = field.iter().rposition(|byte| !is_padding(byte)).unwrap_or(first);
    let digits = text(&field[first..=last]);
    let mut value = 0_u64;
    for digit in &digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 7 || value >> 61 > 0 {
            return Err(Fault::header());
        }
        value = value << 3 | u64::from(digit);
    }
    Ok(value.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let read = |field: &[u8]| number(field).ok();
        assert_eq!(read(b"0000644\0"), Some(0o644));
        assert_eq!(read(b" 644 \0\0\0"), Some(0o644));
        assert_eq!(read(b"\0\0\0\0"), Some(0));
        assert_eq!(read(b"64\0not read"), Some(0o64));
        assert_eq!(read(b"0000648\0"), None);
        assert_eq!(read(b"-1\0"), None);
        assert_eq!(read(&[0x80, 0, 0, 0, 0, 0x20, 0, 0]), Some(0x20_0000));
        assert_eq!(read(&[0xff; 8]), Some(-1));
        assert_eq!(read(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(read(&[0x80, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]), Some(0x7f << 56));
    }
}
