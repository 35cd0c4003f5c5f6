//! `GET /FILE`: files of the served folder or of the run's list, and uploads read back.

use std::fs::{File, Metadata};
use std::io;
use std::sync::Arc;

use futon_model::EventKind;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{StatusCode, Uri};

use super::body::{Answer, Answers, refused};
use super::config::FileSource;
use super::error::Refusal;
use super::folder::{leads_out, open_beneath};
use super::listing;
use super::names;
use super::script::{self, SCRIPT_NAME};
use super::send::{About, serve};
use super::state::{Asker, State};

const HTML: &str = "text/html; charset=utf-8";

/// Answers a GET or HEAD of anything that is not one of the exchange's own addresses.
pub(super) async fn get(state: &Arc<State>, uri: &Uri, asker: Asker<'_>) -> Answer {
    let result = find(state, uri, asker).await;
    let (told, path) = match &result {
        Ok(Found::Script(_)) => (true, SCRIPT_NAME.to_owned()),
        _ => (false, names::path_for_event(uri.path()).trim_start_matches('/').to_owned()),
    };
    let mut answer = match result {
        Ok(Found::Script(answer) | Found::Other(answer)) => answer,
        Err(refusal) => refused(&refusal),
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
