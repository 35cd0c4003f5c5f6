//! What the requests of an exchange share, and who asks.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use futon_model::TOKEN_HEADER;
use hyper::header::{HeaderMap, HeaderValue};

use super::config::{ExchangeConfig, FileSource};
use super::events::Events;
use super::quota::Account;

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
    pub fn is_authentic(&self, headers: &HeaderMap) -> bool {
        let Some(token) = self.config.token.as_deref().filter(|t| !t.is_empty()) else { return false };
        let given = headers.get(TOKEN_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
        let differences = token.bytes().zip(given).fold(0, |d, (a, b)| std::hint::black_box(d | (a ^ b)));
        differences == 0 && given.len() == token.len()
    }
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub headers: &'a HeaderMap,
    pub head: bool,
    pub authentic: bool,
}
