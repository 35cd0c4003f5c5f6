//! A file as an answer: in full, or the part that was asked for.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::StatusCode;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, RANGE,
};

use super::body::{Answer, Answers, Body, Piece, put};
use super::range::{self, Range};

/// What is known of a file that is served.
#[derive(Debug, Clone)]
pub(super) struct About<'a> {
    pub size: u64,
    pub modified: Option<SystemTime>,
    /// Names its content: the same tag, the same content.
    pub tag: Option<String>,
    pub media_type: &'a str,
}

/// A file in full or the part that was asked for.
pub(super) fn serve(file: File, about: &About<'_>, headers: &HeaderMap) -> Answer {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let modified = about.modified.map(httpdate::HttpDate::from);
    let known = text(IF_MODIFIED_SINCE).and_then(|since| since.parse::<httpdate::HttpDate>().ok());
    // A tag says more than a date, which counts where there is none, and not for parts (RFC 9110, 13.1.2 and 13.1.3).
    let is_known = match (text(IF_NONE_MATCH), &about.tag) {
        (Some(tags), Some(tag)) => {
            let mut tags = tags.split(',').map(|known| known.trim().trim_start_matches("W/"));
            tags.any(|known| known == "*" || known == tag)
        }
        (Some(_), None) => false,
        (None, _) => text(RANGE).is_none() && modified.zip(known).is_some_and(|(modified, known)| modified <= known),
    };
    if is_known {
        let mut answer = Answer::empty(StatusCode::NOT_MODIFIED);
        put_validators(&mut answer, about, modified);
        return answer;
    }
    // A range of a file that has changed since the first part would give a mixture of both.
    let changed = text(IF_RANGE).is_some_and(|known| match known.starts_with('"') {
        true => about.tag.as_deref() != Some(known),
        false => known.parse::<httpdate::HttpDate>().ok() != modified,
    });
    let range = if changed { Range::Whole } else { range::parse(text(RANGE), about.size) };
    let mut answer = Answer::empty(StatusCode::OK);
    let (at, size) = match range {
        Range::Whole => (0, about.size),
        Range::Part { at, size } => {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            put(&mut answer, CONTENT_RANGE, &format!("bytes {at}-{}/{}", at + size - 1, about.size));
            (at, size)
        }
        Range::Unsatisfiable => {
            let mut answer = Answer::empty(StatusCode::RANGE_NOT_SATISFIABLE);
            put(&mut answer, CONTENT_RANGE, &format!("bytes */{}", about.size));
            return answer;
        }
    };
    put(&mut answer, CONTENT_TYPE, about.media_type);
    put(&mut answer, ACCEPT_RANGES, "bytes");
    put_validators(&mut answer, about, modified);
    *answer.body_mut() = Body::pieces([Piece::File { file: Arc::new(file), at, size }]);
    answer
}

/// What a guest may ask with next time.
fn put_validators(answer: &mut Answer, about: &About<'_>, modified: Option<httpdate::HttpDate>) {
    if let Some(modified) = modified {
        put(answer, LAST_MODIFIED, &modified.to_string());
    }
    if let Some(tag) = &about.tag {
        put(answer, ETAG, tag);
    }
}
