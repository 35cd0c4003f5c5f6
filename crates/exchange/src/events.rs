//! Reports events, and receives events from guests.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use futon_model::{EventKind, GuestEvent};
use hyper::StatusCode;
use tokio::sync::mpsc::UnboundedSender;

use super::body::{Answer, Answers};
use super::connection::Inbound;
use super::error::Refusal;

/// The sink for events. Events of senders without the token are limited, so that they cannot fill the memory.
#[derive(Debug)]
pub(super) struct Events {
    sender: UnboundedSender<EventKind>,
    anonymous_left: AtomicU64,
}

impl Events {
    pub fn new(sender: UnboundedSender<EventKind>, anonymous: u64) -> Self {
        Self { sender, anonymous_left: AtomicU64::new(anonymous) }
    }

    /// Reports an event; `authentic` says whether its sender knew the token.
    pub fn tell(&self, authentic: bool, event: EventKind) {
        if !authentic {
            let spend = |left: u64| left.checked_sub(1);
            match self.anonymous_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
                Err(_) => return,
                Ok(1) => {
                    let why = "too many requests without the token: later ones are served but not reported".to_owned();
                    return self.send(EventKind::MalformedGuestEvent { authentic, why });
                }
                Ok(_) => {}
            }
        }
        self.send(event);
    }

    fn send(&self, event: EventKind) {
        // The receiver may be gone; the guest still gets its answers.
        let _ = self.sender.send(event);
    }
}

/// `POST /_futon/events`: one JSON object a line, at most `limit` bytes of them.
pub(super) async fn post(
    events: &Events,
    limit: u64,
    authentic: bool,
    inbound: &mut Inbound,
) -> Result<Answer, Refusal> {
    let result = take(events, limit, authentic, inbound).await;
    if let Err(refusal) = &result {
        events.tell(authentic, EventKind::MalformedGuestEvent { authentic, why: refusal.why.clone() });
    }
    result
}

async fn take(events: &Events, limit: u64, authentic: bool, inbound: &mut Inbound) -> Result<Answer, Refusal> {
    let too_large =
        || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("events of more than {limit} bytes in one request"));
    let mut body = BytesMut::new();
    while let Some(piece) = inbound.piece().await? {
        if (body.len() + piece.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    let mut first_bad = None;
    let lines = body.as_ref().split(|b: &u8| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut count = 0;
    for (number, line) in (1..).zip(lines) {
        match serde_json::from_slice::<GuestEvent>(line) {
            Ok(guest) => events.tell(authentic, EventKind::Guest { authentic, guest }),
            Err(e) if first_bad.is_none() => first_bad = Some(format!("line {number} is not an event: {e}")),
            Err(_) => {}
        }
        count = number;
    }
    match first_bad {
        Some(why) => Err(Refusal::bad(why)),
        None if count == 0 => Err(Refusal::bad("no event in the request")),
        None => Ok(Answer::empty(StatusCode::NO_CONTENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_fill_the_memory_nor_silence_the_run() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let events = Events::new(sender, 3);
        let note =
            |text: &str| EventKind::Guest { authentic: false, guest: GuestEvent::Note { text: text.to_owned() } };
        for _ in 0..10 {
            events.tell(false, note("noise"));
        }
        events.tell(true, note("signal"));
        let mut told = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            told.push(event);
        }
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(matches!(&told[2], EventKind::MalformedGuestEvent { .. }));
        assert_eq!(told[3], note("signal"));
    }
}
