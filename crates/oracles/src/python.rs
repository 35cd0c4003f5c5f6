//! How Python writes bytes: `repr(b"…")`.

use std::fmt::Write;

/// `repr` of a Python bytes object.
pub fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for byte in bytes {
        match *byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            byte if char::from(byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            byte @ b' '..=b'~' => text.push(char::from(byte)),
            byte => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_follow_pythons_rule() {
        for (bytes, repr) in [
            (&b""[..], "b''"),
            (b"ab", "b'ab'"),
            (b"a'b", r#"b"a'b""#),
            (b"a\"b", r#"b'a"b'"#),
            (b"a'b\"c", r#"b'a\'b"c'"#),
        ] {
            assert_eq!(bytes_repr(bytes), repr);
        }
    }

    #[test]
    fn escapes_follow_pythons_rule() {
        assert_eq!(bytes_repr(b"\0\t\n\r\x0b\x1f ~\x7f\x80\xff\\"), r"b'\x00\t\n\r\x0b\x1f ~\x7f\x80\xff\\'");
    }

    /// The repr of all 256 bytes, as `CPython` 3 printed it: checked by its ends and its length.
    #[test]
    fn all_bytes() {
        let all: Vec<u8> = (0..=255).collect();
        let repr = bytes_repr(&all);
        assert!(repr.starts_with(r"b'\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e"));
        assert!(repr.contains(r##" !"#$%&\'()*+,"##) && repr.contains(r"[\\]^_`abc"));
        assert!(repr.contains(r"xyz{|}~\x7f\x80") && repr.ends_with(r"\xfe\xff'"));
    }
}
