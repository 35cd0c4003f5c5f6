//! `GET /run.sh`: the run script, with the token in it exactly once.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futon_model::{ENTROPY_HEADER, EventKind, PARK_HEADER, TIME_HEADER, TOKEN_PLACEHOLDER};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use memchr::memmem;

use super::body::{Answer, Answers};
use super::config::Parking;
use super::send::{About, serve};
use super::state::{Asker, State};

/// Name of the run script.
pub(super) const SCRIPT_NAME: &str = "run.sh";

/// Scripts up to this size get the token put in, bytes; larger ones (a program, say) are served as they are.
const MAX_SCRIPT: u64 = 16 << 20;

const SHELL: &str = "text/x-sh";

/// Answers with the script, and reports the event. A parked guest also gets what it needs to wake up, or must wait.
pub(super) async fn answer(state: &Arc<State>, path: &Path, asker: Asker<'_>) -> Answer {
    if !asker.headers.contains_key(PARK_HEADER) {
        return give(state, path, asker).await;
    }
    let parks = match state.config.parking {
        Parking::No => false,
        Parking::Yes => true,
        Parking::AfterScript => state.script_given.swap(true, Ordering::SeqCst),
    };
    if parks {
        state.events.tell(false, EventKind::Parked);
        return Answer::empty(StatusCode::NO_CONTENT);
    }
    let mut answer = give(state, path, asker).await;
    for (name, value) in wake_headers() {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// The time, nanoseconds since 1970, and 64 random bytes, hexadecimal: all forks of a warm base begin with the same clock and the same pool.
fn wake_headers() -> impl Iterator<Item = (&'static str, HeaderValue)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut entropy = [0; 64];
    // Without random bytes the guest still has its virtio device.
    let entropy = getrandom::fill(&mut entropy).map(|()| hex::encode(entropy)).unwrap_or_default();
    [(TIME_HEADER, now.as_nanos().to_string()), (ENTROPY_HEADER, entropy)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
}

async fn give(state: &Arc<State>, path: &Path, asker: Asker<'_>) -> Answer {
    let (answer, authentic) = match read(path.to_owned()).await {
        Err(error) => {
            let why = format!("404 Not Found: the run script {} cannot be read: {error}\n", path.display());
            (Answer::text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", why), false)
        }
        Ok(Script::Large(file, size)) => {
            (serve(file, &About { size, modified: None, tag: None, media_type: SHELL }, asker.headers), false)
        }
        Ok(Script::Text(text)) => {
            let (text, authentic) = fill(state, &text, asker.head);
            (Answer::text(StatusCode::OK, SHELL, text), authentic)
        }
    };
    let status = answer.status().as_u16();
    state.events.tell(authentic, EventKind::RunScriptRequested { status, authentic });
    answer
}

enum Script {
    Text(Vec<u8>),
    Large(File, u64),
}

async fn read(path: std::path::PathBuf) -> std::io::Result<Script> {
    let read = tokio::task::spawn_blocking(move || {
        let file = File::open(&path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(std::io::Error::other("not a file"));
        }
        if meta.len() > MAX_SCRIPT {
            return Ok(Script::Large(file, meta.len()));
        }
        Ok(Script::Text(std::fs::read(&path)?))
    });
    read.await.unwrap_or_else(|e| Err(std::io::Error::other(e)))
}

/// Puts the token in if this is the one answer that carries it. A HEAD sees the size of the next GET's answer
/// and takes nothing.
fn fill(state: &State, text: &[u8], head: bool) -> (Bytes, bool) {
    let placeholder = memmem::Finder::new(TOKEN_PLACEHOLDER);
    let token = state.config.token.as_deref().filter(|_| placeholder.find(text).is_some());
    let granted = token.filter(|_| {
        let spent = &state.token_spent;
        if head { !spent.load(Ordering::SeqCst) } else { !spent.swap(true, Ordering::SeqCst) }
    });
    let mut filled = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = placeholder.find(rest) {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(granted.unwrap_or_default().as_bytes());
        rest = &rest[at + TOKEN_PLACEHOLDER.len()..];
    }
    filled.extend_from_slice(rest);
    (filled.into(), granted.is_some() && !head)
}
