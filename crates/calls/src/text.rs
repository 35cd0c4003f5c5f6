//! How texts are shown: shortened, and where two of them part.

use sha2::{Digest, Sha256};

/// At most `limit` characters of `text`; where some are left out, its length and hash follow, so
/// that two texts with the same beginning can be told apart.
pub fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => {
            let hash = hex(&Sha256::digest(text));
            let head = text.get(..end).unwrap_or_default();
            format!("{head}… ({} bytes, sha256 {hash})", text.len())
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Number of leading bytes that both texts share.
pub fn common_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_at_characters_and_says_what_is_missing() {
        assert_eq!(shorten("äöü", 3), "äöü");
        let short = shorten("äöü", 2);
        assert!(short.starts_with("äö… (6 bytes, sha256 "), "{short}");
        assert_ne!(shorten("abcd", 2), shorten("abce", 2));
    }

    #[test]
    fn common_beginnings() {
        assert_eq!(common_bytes("abc", "abd"), 2);
        assert_eq!(common_bytes("abc", "abc"), 3);
        assert_eq!(common_bytes("", "abc"), 0);
    }
}
