//! Files in languages that are known.

use std::borrow::Cow;

use super::editions::in_proto3;
use super::wire::{FileHead, FileHeads, Files, head};
use crate::text::shorten;

/// A set of files in languages that are known: those of editions in proto3.
///
/// # Errors
/// One is in a language that is not known.
pub(crate) fn known_set(set: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    use prost::Message;
    // An invalid set is detected later.
    let heads = FileHeads::decode(set).unwrap_or_default().file;
    if heads.iter().all(|head| matches!(head.syntax.as_deref(), None | Some("proto2" | "proto3"))) {
        return Ok(Cow::Borrowed(set));
    }
    let mut files = Files::decode(set).unwrap_or_default();
    for file in &mut files.file {
        *file = known_file(file)?.into_owned();
    }
    Ok(Cow::Owned(files.encode_to_vec()))
}

/// A file in a language that is known: prost-reflect panics at another one.
pub(super) fn known_file(file: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let FileHead { name, syntax, .. } = head(file);
    match syntax.as_deref() {
        None | Some("proto2" | "proto3") => Ok(Cow::Borrowed(file)),
        Some("editions") => in_proto3(file).map(Cow::Owned),
        Some(other) => {
            Err(format!("{name} has the syntax {}, not proto2 or proto3", shorten(&format!("{other:?}"), 40)))
        }
    }
}
