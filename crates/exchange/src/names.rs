//! Names in requests are data: decoding them, and refusing those that are no plain file names.

use hyper::StatusCode;
use percent::decode;

use super::error::Refusal;

/// Longest file name, bytes: the limit of Linux file systems.
const MAX_NAME: usize = 255;

/// Longest text from a guest that goes into an event, characters.
const MAX_SHOWN: usize = 300;

/// Prefix of files that are not whole yet.
pub(super) const PARTIAL_PREFIX: &str = ".futon-partial-";

/// A request path as components: decoded, without empty ones and `.`.
pub(super) fn path(raw: &str) -> Result<Vec<String>, Refusal> {
    let decoded = decode(raw).ok_or_else(|| Refusal::bad("the path is not UTF-8"))?;
    if decoded.chars().any(char::is_control) {
        return Err(Refusal::bad("control characters in the path"));
    }
    let parts: Vec<String> = decoded.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect();
    if parts.iter().any(|p| p == "..") {
        return Err(Refusal::bad("'..' in the path"));
    }
    if parts.iter().any(|p| p.len() > MAX_NAME) {
        return Err(Refusal::bad("a name in the path is longer than 255 bytes"));
    }
    Ok(parts)
}

/// The name that a PUT stores under: the decoded path after the first slash, which must be one plain name.
pub(super) fn put_target(raw: &str) -> Result<String, Refusal> {
    let name = decode(raw.strip_prefix('/').unwrap_or(raw)).ok_or_else(|| Refusal::bad("the name is not UTF-8"))?;
    plain(&name)?;
    Ok(name)
}

/// The name that a form's file is stored under. As the Python upload server does, folders before the name are
/// left away; a name that climbs is refused.
pub(super) fn form_target(filename: &str) -> Result<String, Refusal> {
    if filename.split(['/', '\\']).any(|part| part == "..") {
        return Err(Refusal::bad(format!("'..' in the file name {}", shown(filename))));
    }
    let name = filename.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    plain(name)?;
    Ok(name.to_owned())
}

/// Checks that a name is one plain file name.
pub(super) fn plain(name: &str) -> Result<(), Refusal> {
    let why = if name.is_empty() {
        "the file name is empty"
    } else if name == "." || name == ".." {
        "the file name is a folder"
    } else if name.contains(['/', '\\']) {
        "the file name has a slash"
    } else if name.chars().any(char::is_control) {
        "control characters in the file name"
    } else if name.len() > MAX_NAME {
        "the file name is longer than 255 bytes"
    } else {
        return if name.starts_with(PARTIAL_PREFIX) {
            Err(Refusal::new(
                StatusCode::FORBIDDEN,
                format!("names that begin with {PARTIAL_PREFIX} are reserved for the exchange"),
            ))
        } else {
            Ok(())
        };
    };
    Err(Refusal::bad(format!("{why}: {}", shown(name))))
}

/// The name of the `n`th file called `name`: `name.2`, `name.3` … Cut where it would get too long.
pub(super) fn numbered(name: &str, n: u32) -> String {
    if n <= 1 {
        return name.to_owned();
    }
    let suffix = format!(".{n}");
    let mut end = name.len().min(MAX_NAME - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// A guest's text as it goes into events and answers: quoted, escaped, and not longer than people read.
pub(super) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(MAX_SHOWN).collect();
    format!("{cut:?}{}", if cut.len() < text.len() { "…" } else { "" })
}

/// A guest's text for an event's data field: not escaped, cut.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// The path of a request for an event, decoded as far as it can be.
pub(super) fn path_for_event(raw: &str) -> String {
    cut(&decode(raw).unwrap_or_else(|| raw.to_owned()))
}

/// A value of the request's query, decoded; the first one counts.
pub(super) fn query(query: Option<&str>, key: &str) -> Option<String> {
    let value = query?.split('&').find_map(|pair| pair.split_once('=').filter(|(k, _)| *k == key))?.1;
    decode(value)
}

/// Percent-encodes a name for use in an address.
pub(super) fn encode(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::new(), |mut text, b| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            text.push(char::from(b));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{b:02X}");
        }
        text
    })
}

/// Percent-decoding, as Python's `unquote` does it: what is no valid escape stays as it is.
mod percent {
    pub fn decode(raw: &str) -> Option<String> {
        let bytes = raw.as_bytes();
        let mut decoded = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let digit =
                |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
            match (byte, digit(at + 1), digit(at + 2)) {
                (b'%', Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    at += 3;
                }
                _ => {
                    decoded.push(byte);
                    at += 1;
                }
            }
        }
        String::from_utf8(decoded).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_stored() {
        for name in ["results.log", "a b", "ü.txt", ".hidden", "...", "100%", "x".repeat(255).as_str()] {
            assert!(plain(name).is_ok(), "{name:?}");
        }
        let long = "x".repeat(256);
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "/abs",
            "..\\x",
            "a\\b",
            "nul\0",
            "line\n",
            "\u{7f}",
            "\u{9b}x",
            long.as_str(),
            ".futon-partial-1",
        ] {
            assert!(plain(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_put_decodes_before_it_checks() {
        assert_eq!(put_target("/a%20b").unwrap(), "a b");
        assert_eq!(put_target("/50%zz").unwrap(), "50%zz");
        for raw in ["/", "/%2e%2e", "/..%2fx", "/a%2Fb", "//etc/passwd", "/a/b", "/%00", "/%ff", "/%5c", "/../x", "/a/"]
        {
            assert!(put_target(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_form_loses_folders_and_refuses_climbing() {
        assert_eq!(form_target("/tmp/deep/results.log").unwrap(), "results.log");
        assert_eq!(form_target("a/b/").unwrap(), "b");
        for name in ["", "/", "..", "../x", "a/../x", "..\\x", "a\\b"] {
            assert!(form_target(name).is_err(), "{name}");
        }
    }

    #[test]
    fn get_paths_are_normalized_and_never_climb() {
        assert_eq!(path("//./a//b%20c/").unwrap(), ["a", "b c"]);
        assert_eq!(path("/%72un.sh").unwrap(), ["run.sh"]);
        assert!(path("/").unwrap().is_empty());
        for raw in ["/..", "/a/%2e%2e/b", "/%2e%2e%2fetc/passwd", "/a%00", "/%ff"] {
            assert!(path(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn numbers_never_make_a_name_too_long() {
        assert_eq!(numbered("a.log", 1), "a.log");
        assert_eq!(numbered("a.log", 2), "a.log.2");
        let long = "ü".repeat(127) + "x";
        assert!(numbered(&long, 12).len() <= 255 && numbered(&long, 12).ends_with(".12"));
    }

    #[test]
    fn queries_and_escapes() {
        assert_eq!(query(Some("a=1&ref=x%2Fy%3A1"), "ref").unwrap(), "x/y:1");
        assert_eq!(query(Some("ref"), "ref"), None);
        assert_eq!(encode("a b/ü"), "a%20b%2F%C3%BC");
        assert_eq!(shown("a\u{1b}[31m"), "\"a\\u{1b}[31m\"");
    }
}
