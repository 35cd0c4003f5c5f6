//! aes: three languages, three ciphers, one key text.

use ctr::cipher::{BlockModeEncrypt, KeyIvInit, StreamCipher, block_padding::Pkcs7};

use super::{expectation::Expectation, python::bytes_repr};
use crate::Language;

/// Default key of all three: Go decodes it as hex, the others take its characters.
const KEY_TEXT: &[u8; 32] = b"6368616e676520746869732070617373";
const KEY_DECODED: &[u8; 16] = b"change this pass";

/// What an aes function must reply.
pub fn expected(language: Option<Language>, input: &str) -> Expectation {
    let plain = match input {
        "" | "world" => "defaultplaintext",
        _ => input,
    };
    match language {
        Some(Language::Go) => go(plain),
        Some(Language::Python) => python(plain),
        Some(Language::NodeJs) => node(plain),
        Some(Language::Cpp) => Expectation::default(),
        None => go(plain).or(python(plain)).or(node(plain)),
    }
}

fn go(plain: &str) -> Expectation {
    let cipher = hex::encode(ctr_go(plain));
    Expectation::exact(format!("fn: AES | plaintext: {plain} | ciphertext: {cipher} | runtime: golang"))
}

fn python(plain: &str) -> Expectation {
    // Characters above U+00FF raise there, and the call fails: no reply is right.
    let Ok(latin1) = plain.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>() else {
        return Expectation::default();
    };
    let cipher = bytes_repr(&ctr_python(latin1));
    Expectation::exact(format!("fn: AES | plaintext: {plain} | ciphertext: {cipher} | runtime: Python"))
}

fn node(plain: &str) -> Expectation {
    // No bar between plaintext and ciphertext: this one differs.
    let cipher = hex::encode(cbc_node(plain));
    Expectation::exact(format!("fn: AES | plaintext: {plain} ciphertext: {cipher} | runtime: NodeJS"))
}

fn ctr_go(plain: &str) -> Vec<u8> {
    let mut bytes = plain.as_bytes().to_vec();
    ctr::Ctr128BE::<aes::Aes128>::new(KEY_DECODED.into(), &[0; 16].into()).apply_keystream(&mut bytes);
    bytes
}

fn ctr_python(mut bytes: Vec<u8>) -> Vec<u8> {
    ctr::Ctr128BE::<aes::Aes256>::new(KEY_TEXT.into(), &[0; 16].into()).apply_keystream(&mut bytes);
    bytes
}

fn cbc_node(plain: &str) -> Vec<u8> {
    cbc::Encryptor::<aes::Aes256>::new(KEY_TEXT.into(), &[b'0'; 16].into())
        .encrypt_padded_vec::<Pkcs7>(plain.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// plaintext, go, python, nodejs
    const VECTORS: [(&str, &str, &str, &str); 4] = [
        (
            "A unique message",
            "fd4b8dc72677cafa719c946be09d1bb8",
            "34c8cb2d23799ccbcdb000e3c0a1a6f2",
            "6f4278ab916dfbab5d1e624f0ceef27870bfc19113d88dd544c82ae2572cbb08",
        ),
        (
            "A linear message",
            "fd4b94c02163deed719c946be09d1bb8",
            "34c8d22a246d88dccdb000e3c0a1a6f2",
            "fa2806bf20aa34e9dd16bfcf76eace6b731a5287134e149938ec61221305db88",
        ),
        (
            "defaultplaintext",
            "d80e9ec83a6acbef3d909876e79904a9",
            "118dd8223f649dde81bc0cfec7a5b9e3",
            "25ad0098ddb3a05982064a72a2d87bdcb0757aeaedd31dfeb3cbcde442dc367d",
        ),
        ("1", "8d", "44", "86e9df9285842dab52ca9aa4c841edfe"),
    ];

    #[test]
    fn all_vectors() {
        for (plain, go, python, node) in VECTORS {
            assert_eq!(hex::encode(ctr_go(plain)), go);
            assert_eq!(hex::encode(ctr_python(plain.into())), python);
            assert_eq!(hex::encode(cbc_node(plain)), node);
        }
    }

    #[test]
    fn whole_replies() {
        let p = "A unique message";
        for (language, reply) in [
            (
                Language::Go,
                "fn: AES | plaintext: A unique message | ciphertext: \
                 fd4b8dc72677cafa719c946be09d1bb8 | runtime: golang",
            ),
            (
                Language::Python,
                r"fn: AES | plaintext: A unique message | ciphertext: b'4\xc8\xcb-#y\x9c\xcb\xcd\xb0\x00\xe3\xc0\xa1\xa6\xf2' | runtime: Python",
            ),
            (
                Language::NodeJs,
                "fn: AES | plaintext: A unique message ciphertext: \
                 6f4278ab916dfbab5d1e624f0ceef27870bfc19113d88dd544c82ae2572cbb08 | runtime: NodeJS",
            ),
        ] {
            assert!(expected(Some(language), p).accepts(reply), "{reply}");
            assert!(expected(None, p).accepts(reply), "{reply}");
            assert!(!expected(Some(language), "A linear message").accepts(reply), "{reply}");
            assert!(!expected(None, p).accepts(&reply.replace("runtime", "Runtime")));
        }
        let go = expected(Some(Language::Go), p);
        assert!(!expected(Some(Language::NodeJs), p).accepts(&go.describe()));
    }

    #[test]
    fn the_default_plaintext_stands_for_nothing_and_world() {
        for language in [None, Some(Language::Go), Some(Language::Python), Some(Language::NodeJs)] {
            let default = expected(language, "defaultplaintext");
            assert_eq!(expected(language, ""), default);
            assert_eq!(expected(language, "world"), default);
        }
    }

    #[test]
    fn python_cannot_take_wide_characters() {
        assert_eq!(expected(Some(Language::Python), "a€"), Expectation::default());
        assert_ne!(expected(Some(Language::Python), "é"), Expectation::default());
    }
}
