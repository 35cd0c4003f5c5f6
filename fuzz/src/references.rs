//! Image names.

use futon_model::{Digest, ImageReference};

/// A name reads the same in its canonical spelling, keeps its text, and is one that Docker's grammar has.
pub fn references(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.as_str(), text);
        assert_eq!(digest.hex().len(), 64);
    }
    let Ok(reference) = text.parse::<ImageReference>() else { return };
    assert_eq!(reference.written(), text);
    let canonical = reference.canonical();
    let again: ImageReference = canonical.parse().unwrap_or_else(|e| panic!("{text:?} becomes {canonical:?}: {e}"));
    assert_eq!(again.canonical(), canonical, "{text:?}");
    assert_eq!(
        (again.registry(), again.repository(), again.tag(), again.digest()),
        (reference.registry(), reference.repository(), reference.tag(), reference.digest()),
        "{text:?} becomes {canonical:?}"
    );
    let json = serde_json::to_string(&reference).expect("a name is a text");
    assert_eq!(serde_json::from_str::<ImageReference>(&json).expect("a name that was written"), reference);
    assert!(!reference.base_name().is_empty() && !reference.base_name().contains('/'), "{text:?}");
    if let Err(why) = in_grammar(text) {
        panic!("{text:?} is taken, but {why}");
    }
}

/// Docker's grammar for names (`distribution/reference`), written down once more: host and port, path components, tag, digest.
fn in_grammar(text: &str) -> Result<(), &'static str> {
    let name = match text.split_once('@') {
        Some((name, digest)) => {
            digest.parse::<Digest>().map_err(|_| "its digest is none")?;
            name
        }
        None => text,
    };
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[slash..].split_once(':') {
        Some((last, tag)) => (&name[..slash + last.len()], Some(tag)),
        None => (name, None),
    };
    if let Some(tag) = tag {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let bytes = tag.as_bytes();
        let ok = bytes.len() <= 128
            && bytes.first().is_some_and(|b| word(*b))
            && bytes.iter().all(|b| word(*b) || *b == b'.' || *b == b'-');
        if !ok {
            return Err("its tag is none");
        }
    }
    let (host, path) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first != first.to_lowercase() => {
            (Some(first), rest)
        }
        _ => (None, path),
    };
    if let Some(host) = host {
        is_host(host)?;
    }
    path.split('/').try_for_each(is_component)
}

fn is_host(host: &str) -> Result<(), &'static str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("its registry's bracket is open")?;
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return Err("its registry is no IPv6 address");
            }
            (None, port.strip_prefix(':').or((!port.is_empty()).then_some("x")))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(host), None),
        },
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return Err("its registry's port is no number");
    }
    let part = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = part.as_bytes();
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    if name.is_some_and(|name| !name.split('.').all(part)) { Err("its registry is no host") } else { Ok(()) }
}

/// Lower-case letters and digits, with single `.`, one or two `_`, or any number of `-` between them.
fn is_component(component: &str) -> Result<(), &'static str> {
    let word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(word) || !bytes.last().is_some_and(word) {
        return Err("a part of its path begins or ends with no letter or digit");
    }
    for between in bytes.split(|b| word(b)).filter(|between| !between.is_empty()) {
        if !matches!(between, b"." | b"_" | b"__") && !between.iter().all(|b| *b == b'-') {
            return Err("a part of its path has a separator that Docker does not know");
        }
    }
    Ok(())
}
