//! Which part of the exchange answers which request, and the state they share.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use futon_model::TOKEN_HEADER;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, EXPECT, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::archive;
use super::body::{Answer, Answers, without_body};
use super::config::{ExchangeConfig, FileSource};
use super::connection::Inbound;
use super::error::Refusal;
use super::events::{self, Events};
use super::files::{self, Asker};
use super::listing::UPLOAD_PAGE;
use super::put;
use super::quota::Account;
use super::registry;

/// What all requests of an exchange share.
#[derive(Debug)]
pub(super) struct State {
    pub config: ExchangeConfig,
    pub events: Events,
    /// The one answer that carries the token has been given.
    pub token_spent: AtomicBool,
    /// A guest that is to park after the run script has got it.
    pub script_given: AtomicBool,
    authentic: Arc<Account>,
    anonymous: Arc<Account>,
    /// Where to start to look for a free number for a name that was uploaded before.
    numbers: Mutex<HashMap<String, u32>>,
}

impl State {
    pub fn new(config: ExchangeConfig) -> Arc<Self> {
        let authentic = Account::new(config.limits.quota);
        // Without a token all senders are treated alike.
        let (anonymous, budget) = match config.token {
            Some(_) => (Account::new(config.limits.anonymous), config.limits.anonymous_events),
            None => (Arc::clone(&authentic), u64::MAX),
        };
        let events = Events::new(config.events.clone(), budget);
        let numbers = Mutex::new(HashMap::new());
        let (token_spent, script_given) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { config, events, token_spent, script_given, authentic, anonymous, numbers })
    }

    /// The account that a sender's uploads count in.
    pub fn account(&self, authentic: bool) -> &Arc<Account> {
        if authentic { &self.authentic } else { &self.anonymous }
    }

    /// True when guests may not store a file called `run.sh`.
    pub fn script_is_reserved(&self) -> bool {
        self.config.run_script.is_some() || matches!(self.config.files, FileSource::Named(_))
    }

    /// The first number worth a try for the next file of this name.
    pub fn next_number(&self, name: &str) -> u32 {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).get(name).map_or(1, |n| n + 1)
    }

    /// Remembers that a file of this name was stored with this number.
    pub fn used_number(&self, name: &str, n: u32) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = numbers.entry(name.to_owned()).or_default();
        *known = n.max(*known);
    }

    /// Whether a request carries the token. Takes as long for a wrong one as for a right one.
    fn is_authentic(&self, headers: &HeaderMap) -> bool {
        let Some(token) = self.config.token.as_deref().filter(|t| !t.is_empty()) else { return false };
        let given = headers.get(TOKEN_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
        let differences = token.bytes().zip(given).fold(0, |d, (a, b)| std::hint::black_box(d | (a ^ b)));
        differences == 0 && given.len() == token.len()
    }
}

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
            "events" if method == Method::POST => events::post(state, authentic, inbound).await,
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

/// A refusal as the client gets it: one line of text.
pub(super) fn refused(refusal: &Refusal) -> Answer {
    Answer::text(refusal.status, "text/plain; charset=utf-8", format!("{}: {}\n", refusal.status, refusal.why))
}
