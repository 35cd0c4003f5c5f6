//! The exchange's readers one by one: forms, ranges, names.

use bytes::Bytes;
use exchange::fuzzing;

/// Cuts `data` after each piece whose length the first bytes say.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// A form reads the same however its bytes are cut, and what it holds is part of what came.
///
/// Input: length of the content type, content type, size of the pieces, body.
pub fn multipart(data: &[u8]) {
    let Some((content_type, rest)) = split(data) else { return };
    let Some((size, body)) = rest.split_first() else { return };
    let Some(boundary) = fuzzing::form_boundary(content_type) else { return };
    assert!(!boundary.is_empty() && boundary.len() <= 70, "a boundary of {} bytes", boundary.len());
    let read = |pieces: Vec<Bytes>| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(fuzzing::form_parts(&boundary, pieces))
    };
    let whole = read(vec![Bytes::copy_from_slice(body)]);
    let cut = read(body.chunks(usize::from(*size).max(1)).map(Bytes::copy_from_slice).collect());
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut, "cut into pieces of {size} bytes the form is another one"),
        // Which of two mistakes is met first may depend on the pieces; that there is one must not. Only the limit on a part's
        // header is counted in pieces.
        (Err(_), Err(_)) => {}
        (Ok(_), Err(why)) | (Err(why), Ok(_)) => {
            assert!(why.contains("endless"), "{why}: only one way to cut the form")
        }
    }
    let Ok(parts) = whole else { return };
    let total: usize = parts.iter().map(|(_, _, content)| content.len()).sum();
    assert!(total <= body.len(), "more content than came");
    let delimiter = format!("\r\n--{boundary}");
    for (_, _, content) in &parts {
        assert!(!holds(content, delimiter.as_bytes()), "a part's content holds the boundary");
    }
    // What was read is written as a form again, and reads the same.
    let mut again = Vec::new();
    for (name, _, content) in &parts {
        again.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(name) = name {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            again.extend_from_slice(format!("Content-Disposition: form-data; name=\"{name}\"\r\n").as_bytes());
        }
        again.extend_from_slice(b"\r\n");
        again.extend_from_slice(content);
        again.extend_from_slice(b"\r\n");
    }
    if parts.is_empty() {
        return;
    }
    again.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let reread = read(vec![Bytes::from(again)]).expect("a form that was written here");
    let meaning = |parts: &[fuzzing::FormPart]| -> Vec<(Option<String>, Vec<u8>)> {
        parts.iter().map(|(name, _, content)| (name.clone(), content.clone())).collect()
    };
    // A bare carriage return or line feed in a name ends the header line; names with one cannot be written back.
    if parts.iter().all(|(name, ..)| name.as_ref().is_none_or(|n| !n.contains(['\r', '\n']))) {
        assert_eq!(meaning(&reread), meaning(&parts), "written again, the form is another one");
    }
}

fn holds(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

/// A range lies within its file, and is what the header says by a second reading of it.
///
/// Input: the file's size (8 bytes), the header.
pub fn range(data: &[u8]) {
    let Some((size, header)) = data.split_at_checked(8) else { return };
    let total = u64::from_le_bytes(size.try_into().expect("eight bytes"));
    let Ok(header) = std::str::from_utf8(header) else { return };
    let read = fuzzing::byte_range(header, total);
    if let Ok(Some((at, size))) = read {
        assert!(size > 0, "an empty range");
        assert!(at.checked_add(size).is_some_and(|end| end <= total), "{at}+{size} of {total}");
    }
    assert_eq!(read, plain_range(header, total), "{header:?} of {total}");
}

/// The rules of RFC 9110, 14.1, for one range, once more.
fn plain_range(header: &str, total: u64) -> Result<Option<(u64, u64)>, u64> {
    let Some(rest) = header.trim().strip_prefix("bytes=") else { return Ok(None) };
    let Some(dash) = rest.find('-') else { return Ok(None) };
    let (first, last) = (rest[..dash].trim(), rest[dash + 1..].trim());
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !digits(first) || !digits(last) || (first.is_empty() && last.is_empty()) {
        return Ok(None);
    }
    let number = |text: &str| text.parse::<u64>().ok();
    if first.is_empty() {
        let Some(tail) = number(last) else { return Ok(None) };
        let size = tail.min(total);
        return if size == 0 { Err(total) } else { Ok(Some((total - size, size))) };
    }
    let Some(at) = number(first) else { return Ok(None) };
    let end = if last.is_empty() { u64::MAX } else { number(last).map_or(u64::MAX, |n| n) };
    // A number that no 64 bits hold is not understood: the header is ignored.
    if !last.is_empty() && number(last).is_none() {
        return Ok(None);
    }
    if end < at {
        return Ok(None);
    }
    if at >= total { Err(total) } else { Ok(Some((at, end.min(total - 1) - at + 1))) }
}

/// No request names a file outside its folder.
pub fn names(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else { return };
    let [path, put, form] = fuzzing::stored_names(raw);
    for name in path.iter().flatten().chain(put.iter().flatten()).chain(form.iter().flatten()) {
        assert!(!name.is_empty() && name != "." && name != "..", "{raw:?} leads to {name:?}");
        assert!(!name.contains('/') && !name.chars().any(char::is_control), "{raw:?} leads to {name:?}");
        assert!(name.len() <= 255, "a name of {} bytes", name.len());
        let (address, read) = fuzzing::encoded(name);
        assert_eq!(read.as_deref(), Some(std::slice::from_ref(name)), "{name:?} has the address {address}");
        for n in [1, 2, 17, u32::MAX] {
            let numbered = fuzzing::numbered(name, n);
            assert!(numbered.len() <= 255 && !numbered.contains('/'), "the {n}th {name:?} is {numbered:?}");
        }
    }
    for name in put.iter().flatten().chain(form.iter().flatten()) {
        assert!(!name.contains('\\'), "{raw:?} is stored as {name:?}");
        assert!(!name.starts_with(".futon-partial-"), "{raw:?} is stored as {name:?}");
    }
}
