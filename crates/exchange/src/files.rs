//! `GET /FILE`: files of the served folder or of the run's list, and uploads read back.

use std::fs::{File, Metadata};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use futon_model::EventKind;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use hyper::{StatusCode, Uri};

use super::body::{Answer, Answers, Body, Piece};
use super::config::FileSource;
use super::error::Refusal;
use super::folder::{leads_out, open_beneath};
use super::listing;
use super::names;
use super::range::{self, Range};
use super::route::State;
use super::script::{self, SCRIPT_NAME};

const HTML: &str = "text/html; charset=utf-8";

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub headers: &'a HeaderMap,
    pub head: bool,
    pub authentic: bool,
}

/// Answers a GET or HEAD of anything that is not one of the exchange's own addresses.
pub(super) async fn get(state: &Arc<State>, uri: &Uri, asker: Asker<'_>) -> Answer {
    let result = find(state, uri, asker).await;
    let (told, path) = match &result {
        Ok(Found::Script(_)) => (true, SCRIPT_NAME.to_owned()),
        _ => (false, names::path_for_event(uri.path()).trim_start_matches('/').to_owned()),
    };
    let mut answer = match result {
        Ok(Found::Script(answer) | Found::Other(answer)) => answer,
        Err(refusal) => super::route::refused(&refusal),
    };
    if told {
        return answer;
    }
    let (status, authentic) = (answer.status().as_u16(), asker.authentic);
    if path == SCRIPT_NAME {
        state.events.tell(authentic, EventKind::RunScriptRequested { status, authentic: false });
        return answer;
    }
    let teller = Arc::clone(state);
    let tell = move |bytes| teller.events.tell(authentic, EventKind::FileRequested { path, status, bytes });
    if asker.head || answer.body().size() == 0 {
        tell(0);
    } else {
        let body = std::mem::take(answer.body_mut());
        *answer.body_mut() = body.on_end(tell);
    }
    answer
}

enum Found {
    /// The run script; its event is already reported.
    Script(Answer),
    Other(Answer),
}

async fn find(state: &Arc<State>, uri: &Uri, asker: Asker<'_>) -> Result<Found, Refusal> {
    let parts = names::path(uri.path())?;
    if parts == [SCRIPT_NAME]
        && let Some(path) = &state.config.run_script
    {
        return Ok(Found::Script(script::answer(state, path, asker).await));
    }
    let place = Place { parts, slash: uri.path().ends_with('/') };
    let (lookup, shown) = (Arc::clone(state), names::shown(&names::path_for_event(uri.path())));
    let opened = tokio::task::spawn_blocking(move || open(&lookup, &place)).await;
    let opened =
        opened.map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot look for {shown}: {e}")))?;
    let opened = opened.map_err(|error| match error {
        e if leads_out(&e) => {
            Refusal::new(StatusCode::FORBIDDEN, format!("{shown} is a link that points outside the served folder"))
        }
        e if e.kind() == io::ErrorKind::PermissionDenied => Refusal::not_found(format!("cannot read {shown}: {e}")),
        _ => Refusal::not_found(format!("no file {shown}")),
    })?;
    match opened {
        Opened::File(file, meta, kind) => {
            let about =
                About { size: meta.len(), modified: meta.modified().ok(), tag: Some(tag_of(&meta)), media_type: kind };
            Ok(Found::Other(serve(file, &about, asker.headers)))
        }
        Opened::Page(page) => Ok(Found::Other(Answer::text(StatusCode::OK, HTML, page))),
        Opened::Moved => {
            let mut answer = Answer::empty(StatusCode::MOVED_PERMANENTLY);
            let target = format!("/{}/", uri.path().trim_matches('/'));
            if let Ok(target) = HeaderValue::from_str(&target) {
                answer.headers_mut().insert(LOCATION, target);
            }
            Ok(Found::Other(answer))
        }
    }
}

struct Place {
    parts: Vec<String>,
    slash: bool,
}

enum Opened {
    File(File, Metadata, &'static str),
    Page(String),
    Moved,
}

fn open(state: &State, place: &Place) -> io::Result<Opened> {
    match &state.config.files {
        FileSource::Folder(root) => open_in_folder(root, place),
        FileSource::Named(files) => {
            let name = place.parts.join("/");
            if let Some(path) = files.get(&name) {
                return regular(File::open(path)?, &name);
            }
            match &place.parts[..] {
                // Uploads can be read back; the run's own files take precedence.
                [one] => regular(open_beneath(&state.config.uploads, std::slice::from_ref(one))?, one),
                [] => {
                    let uploads = open_beneath(&state.config.uploads, &[])?;
                    let mut all = listing::names(&uploads)?;
                    all.extend(files.keys().cloned());
                    all.sort_unstable();
                    all.dedup();
                    Ok(Opened::Page(listing::page("/", &all)))
                }
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }
}

fn open_in_folder(root: &std::path::Path, place: &Place) -> io::Result<Opened> {
    let file = open_beneath(root, &place.parts)?;
    let name = place.parts.last().map_or("", String::as_str);
    if !file.metadata()?.is_dir() {
        // As for Python: a file has no slash at its end.
        return if place.slash { Err(io::ErrorKind::NotFound.into()) } else { regular(file, name) };
    }
    if !place.slash {
        return Ok(Opened::Moved);
    }
    for index in ["index.html", "index.htm"] {
        let mut parts = place.parts.clone();
        parts.push(index.to_owned());
        if let Ok(file) = open_beneath(root, &parts) {
            return regular(file, index);
        }
    }
    Ok(Opened::Page(listing::page(&format!("/{}", place.parts.join("/")), &listing::names(&file)?)))
}

fn regular(file: File, name: &str) -> io::Result<Opened> {
    let meta = file.metadata()?;
    // Pipes, devices and sockets are no files that a guest could want.
    if meta.is_file() { Ok(Opened::File(file, meta, guess(name))) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Another file, and another content of the same one, has another tag, as far as time stamps are fine enough.
fn tag_of(meta: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("\"{:x}-{:x}-{:x}-{:x}\"", meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec())
}

/// A media type by the name's ending; nothing depends on more.
fn guess(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "json" => "application/json",
        "html" | "htm" => HTML,
        "txt" | "log" | "list" => "text/plain; charset=utf-8",
        "sh" => "text/x-sh",
        "yaml" | "yml" => "application/yaml",
        _ => "application/octet-stream",
    }
}

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

/// Sets a header whose value the exchange made itself.
pub(super) fn put(answer: &mut Answer, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
