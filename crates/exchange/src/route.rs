//! Which part of the exchange answers which request.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, EXPECT, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::archive;
use super::body::{Answer, Answers, refused, without_body};
use super::connection::Inbound;
use super::error::Refusal;
use super::events;
use super::files;
use super::listing::UPLOAD_PAGE;
use super::put;
use super::registry;
use super::state::{Asker, State};

/// Answers one request.
pub(super) async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let asks_first = head.headers.get(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let mut inbound = Inbound::new(body, state.config.limits.idle, asks_first);
    match route(state, &head, &mut inbound).await {
        Ok(answer) if head.method == Method::HEAD => without_body(answer),
        Ok(answer) => answer,
        Err(refusal) => {
            let mut answer = refused(&refusal);
            if inbound.is_unfinished() {
                // The rest of the body is not read: the connection ends with this answer.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                inbound.discard();
            }
            if head.method == Method::HEAD { without_body(answer) } else { answer }
        }
    }
}

async fn route(
    state: &Arc<State>,
    head: &hyper::http::request::Parts,
    inbound: &mut Inbound,
) -> Result<Answer, Refusal> {
    let (method, path, headers) = (&head.method, head.uri.path(), &head.headers);
    let authentic = state.is_authentic(headers);
    let asker = Asker { headers, head: method == Method::HEAD, authentic };
    let reads = method == Method::GET || method == Method::HEAD;
    if let Some(own) = path.strip_prefix("/_futon/") {
        return match own {
            "events" if method == Method::POST => {
                events::post(&state.events, state.config.limits.event_body, authentic, inbound).await
            }
            "events" => Ok(only("POST")),
            "image.tar" if reads => archive::answer(state, &head.uri, asker).await,
            "image.tar" => Ok(only("GET, HEAD")),
            _ => Err(Refusal::not_found(format!("no address {path}"))),
        };
    }
    if (path == "/v2" || path.starts_with("/v2/"))
        && let Some(store) = &state.config.store
    {
        return Ok(registry::answer(state, store, method, &head.uri, asker).await);
    }
    match (method.as_str(), path) {
        ("GET" | "HEAD", "/upload") => Ok(Answer::text(StatusCode::OK, "text/html; charset=utf-8", UPLOAD_PAGE)),
        ("POST" | "PUT", "/upload") => put::form(state, headers, authentic, inbound).await,
        ("GET" | "HEAD", _) => Ok(files::get(state, &head.uri, asker).await),
        ("PUT", _) => put::file(state, path, headers, authentic, inbound).await,
        ("POST", _) => Err(Refusal::not_found("POST goes to /upload (hint: curl ADDRESS/upload -F files=@FILE)")),
        (other, _) => Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, format!("no method {other} here"))),
    }
}

/// The answer to a method that an address of the exchange's own does not know.
fn only(methods: &'static str) -> Answer {
    let mut answer = refused(&Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("only {methods} here")));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}
