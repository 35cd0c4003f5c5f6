//! Entry points for the fuzz targets (`fuzz/`) to parsers that nothing else outside the exchange needs; compiled only for them.

use std::collections::VecDeque;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::connection::Pieces;
use super::error::Refusal;
use super::multipart::{Form, boundary};
use super::names;
use super::range::{self, Range};

/// A body that is there already, in pieces.
struct Cut(VecDeque<Bytes>);

impl Pieces for Cut {
    async fn piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        Ok(self.0.pop_front())
    }
}

/// A part of a form: field name, file name, content.
pub type FormPart = (Option<String>, Option<String>, Vec<u8>);

/// The boundary that a `Content-Type` names, if it is a form's.
#[must_use]
pub fn form_boundary(content_type: &[u8]) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(content_type).ok()?);
    boundary(&headers)
}

/// The parts of a form that comes in these pieces.
///
/// # Errors
/// The form is malformed; the text is what the client would get.
pub async fn form_parts(boundary: &str, pieces: Vec<Bytes>) -> Result<Vec<FormPart>, String> {
    let mut source = Cut(pieces.into_iter().filter(|piece| !piece.is_empty()).collect());
    let mut form = Form::new(&mut source, boundary);
    let mut parts = Vec::new();
    while let Some(part) = form.next_part().await.map_err(|e| e.why)? {
        let mut content = Vec::new();
        while let Some(piece) = form.next_piece().await.map_err(|e| e.why)? {
            content.extend_from_slice(&piece);
        }
        parts.push((part.name, part.filename, content));
    }
    Ok(parts)
}

/// First byte and length of the part of a file that a `Range` header asks for. `None`: all of it. `Err`: nothing that is there.
///
/// # Errors
/// The range cannot be satisfied: the size of the file.
pub fn byte_range(header: &str, total: u64) -> Result<Option<(u64, u64)>, u64> {
    match range::parse(Some(header), total) {
        Range::Whole => Ok(None),
        Range::Part { at, size } => Ok(Some((at, size))),
        Range::Unsatisfiable => Err(total),
    }
}

/// Names that a GET's path, a PUT's path and a form's file name lead to; `None` where the request is refused.
#[must_use]
pub fn stored_names(raw: &str) -> [Option<Vec<String>>; 3] {
    let one = |name: Result<String, Refusal>| name.ok().map(|name| vec![name]);
    [names::path(raw).ok(), one(names::put_target(raw)), one(names::form_target(raw))]
}

/// The name of the `n`th file that is called `name`.
#[must_use]
pub fn numbered(name: &str, n: u32) -> String {
    names::numbered(name, n)
}

/// A name as it stands in an address, and what the exchange reads from there.
#[must_use]
pub fn encoded(name: &str) -> (String, Option<Vec<String>>) {
    let address = names::encode(name);
    let read = names::path(&address).ok();
    (address, read)
}
