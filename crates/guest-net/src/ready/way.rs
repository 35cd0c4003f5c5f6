//! The ways in which a function may show that it serves.

use std::{net::SocketAddr, thread, time::Duration};

use futon_model::{Probe, Unready, is_loopback};
use regex_lite::Regex;

use super::{
    knock::{Answer, PREFACE, SETTINGS, broken, client_hello, first_words, is_refused, knock, open},
    listeners,
    subject::Subject,
};
use crate::{Error, Result};

/// How a function is waited for, ready to be tried.
#[derive(Debug)]
pub(super) enum Way {
    Http2,
    /// What is said.
    Http1(Vec<u8>),
    /// What is said, and the request for people.
    Request(Vec<u8>, String),
    Tcp,
    /// What is said.
    Tls(Vec<u8>),
    /// What is said.
    GrpcHealth(Vec<u8>),
    Log(Regex),
    Listens,
}

/// How long the list of ports must stay as it is: a server may open several, one after the other.
const SETTLED: Duration = Duration::from_secs(1);

impl Way {
    pub(super) fn of(probe: &Probe) -> Result<Self> {
        Ok(match probe {
            Probe::Http2 => Self::Http2,
            Probe::Http1 => Self::Http1(request("GET", "/")),
            Probe::Request(method, path) => Self::Request(request(method, path), format!("{method} {path}")),
            Probe::Tcp => Self::Tcp,
            Probe::Tls => Self::Tls(client_hello()),
            Probe::Listens => Self::Listens,
            Probe::GrpcHealth(service) => Self::GrpcHealth(health_call(service)),
            Probe::Log(text) => {
                let regex = Regex::new(text);
                Self::Log(regex.map_err(|e| Error::new(format!("not a regular expression: {text:?}: {e}")))?)
            }
        })
    }

    /// One attempt. Nothing where the container has ended meanwhile.
    pub(super) fn attempt(
        &self,
        subject: &mut dyn Subject,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Option<Answer>> {
        match self {
            Self::Http2 => knock(address, PREFACE, first_words, patience, &mut || Ok(subject.exit()?.is_none())),
            Self::Http1(words) | Self::Request(words, _) => {
                let answer = knock(address, words, first_words, patience, &mut || Ok(subject.exit()?.is_none()))?;
                Ok(answer.map(|answer| self.of_http(answer)))
            }
            Self::Tls(words) => {
                let answer = knock(address, words, first_words, patience, &mut || Ok(subject.exit()?.is_none()))?;
                Ok(answer.map(|answer| match answer {
                    Answer::Tls => Answer::Serves,
                    Answer::Serves => Answer::Other("the server speaks HTTP/2 without TLS".into()),
                    Answer::Http1(said) => Answer::Other(format!("the server does not speak TLS: it sent {said:?}")),
                    other => other,
                }))
            }
            Self::GrpcHealth(words) => knock(address, words, health, patience, &mut || Ok(subject.exit()?.is_none())),
            Self::Tcp => {
                let facts = subject.facts()?;
                let port = facts.port.unwrap_or_else(|| address.port());
                let Some(listening) = facts.pid.and_then(listeners::of) else {
                    return Ok(Some(connects(address, patience)));
                };
                let serves = listening.iter().any(|at| at.port() == port && !is_loopback(at.ip()));
                let refused = || facts.own(address).is_some_and(is_refused);
                Ok(Some(match serves {
                    true if listeners::only_ipv6(&listening, port).is_some() && refused() => Answer::Refused,
                    true => Answer::Serves,
                    false => Answer::Closed,
                }))
            }
            Self::Listens => {
                let facts = subject.facts()?;
                let Some(listening) = facts.pid.and_then(listeners::of) else {
                    return Ok(Some(connects(address, patience)));
                };
                if listening.is_empty() {
                    return Ok(Some(Answer::Closed));
                }
                thread::sleep(SETTLED.min(patience));
                let settled = facts.pid.and_then(listeners::of).is_some_and(|again| again == listening);
                Ok(Some(if settled { Answer::Serves } else { Answer::Closed }))
            }
            Self::Log(regex) => {
                let found = subject.has_line(&|line| regex.is_match(line))?;
                Ok(Some(if found { Answer::Serves } else { Answer::Other("no line of its log matches yet".into()) }))
            }
        }
    }

    fn of_http(&self, answer: Answer) -> Answer {
        match (self, answer) {
            (Self::Http1(_), Answer::Http1(_)) => Answer::Serves,
            (Self::Request(_, line), Answer::Http1(said)) => {
                let status = said.split_whitespace().nth(1).unwrap_or_default();
                if status.len() == 3 && status.starts_with('2') {
                    Answer::Serves
                } else {
                    Answer::Other(format!("the answer to {line} is {said}"))
                }
            }
            (_, Answer::Serves) => Answer::Other("the server speaks HTTP/2, not HTTP/1".into()),
            (_, other) => other,
        }
    }

    /// The reason that only this way knows; else the listeners and the last answer tell it.
    pub(super) fn own_reason(&self, last: Option<&Answer>, port: u16) -> Option<Unready> {
        let seen = match (self, last?) {
            (Self::Log(regex), _) => format!("no line of its log matches /{}/", regex.as_str()),
            (Self::Request(..) | Self::GrpcHealth(_) | Self::Tls(_), Answer::Other(seen)) => seen.clone(),
            _ => return None,
        };
        Some(Unready::Other { port, seen })
    }
}

/// Of a container in the machine's own network: a connection is all that can be seen.
fn connects(address: SocketAddr, patience: Duration) -> Answer {
    match open(address, patience) {
        Ok(_) => Answer::Serves,
        Err(error) => broken(&error),
    }
}

pub(super) fn request(method: &str, path: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: futon\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
/// `ServingStatus` SERVING, field 1 (grpc/grpc, src/proto/grpc/health/v1/health.proto).
const SERVING: [u8; 2] = [0x08, 0x01];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}

/// The first words of HTTP/2 and a call of `grpc.health.v1.Health/Check` (RFC 9113; headers as literals, RFC 7541, 6.2.2).
fn health_call(service: &str) -> Vec<u8> {
    let mut block = Vec::new();
    let mut literal = |name: &str, value: &str| {
        block.push(0);
        for text in [name, value] {
            // Short texts alone: one byte of length, no Huffman code.
            block.push(u8::try_from(text.len()).unwrap_or(0x7e).min(0x7e));
            block.extend(text.bytes().take(0x7e));
        }
    };
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ] {
        literal(name, value);
    }
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        message.push(u8::try_from(service.len()).unwrap_or(0x7f).min(0x7f));
        message.extend(service.bytes().take(0x7f));
    }
    let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap_or_default()];
    body.extend(message);
    let mut words = PREFACE.to_vec();
    words.extend(frame(SETTINGS, ACK, 0, &[]));
    words.extend(frame(HEADERS, END_HEADERS, 1, &block));
    words.extend(frame(DATA, END_STREAM, 1, &body));
    words
}

/// Reads a service's health from what an HTTP/2 server says.
fn health(said: &[u8], over: bool) -> Option<Answer> {
    if said.starts_with(b"HTTP/1.") {
        return first_words(said, over);
    }
    verdict(said).or_else(|| over.then(no_health))
}

fn no_health() -> Answer {
    Answer::Other("it reports no health: does it have the service grpc.health.v1.Health?".into())
}

/// What the frames say: a message of stream 1, or its end without one.
fn verdict(said: &[u8]) -> Option<Answer> {
    let mut rest = said;
    let mut body = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = after.get(..length)?;
        let (kind, flags, stream) = (head[3], head[4], head[8]);
        if kind == DATA && stream == 1 {
            body.extend_from_slice(payload);
            // Flag, four bytes of length, the message.
            if body.len() >= 5 && body.len() >= 5 + usize::from(body[4]) {
                return Some(match &body[5..] {
                    message if message == SERVING => Answer::Serves,
                    [0x08, status] => Answer::Other(format!(
                        "its health is {}",
                        ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]
                            .get(usize::from(*status))
                            .unwrap_or(&"of no known kind")
                    )),
                    _ => Answer::Other("its health is UNKNOWN".into()),
                });
            }
        }
        if stream == 1 && kind != DATA && flags & END_STREAM != 0 {
            return Some(no_health());
        }
        rest = &after[length..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            knock::tests::server,
            subject::{Exit, Facts},
        },
        *,
    };

    struct Runs(&'static str);

    impl Subject for Runs {
        fn exit(&mut self) -> Result<Option<Exit>> {
            Ok(None)
        }
        fn facts(&mut self) -> Result<Facts> {
            Ok(Facts::default())
        }
        fn has_line(&mut self, wanted: &dyn Fn(&str) -> bool) -> Result<bool> {
            Ok(self.0.lines().any(wanted))
        }
    }

    fn tried(probe: &str, words: &'static [u8]) -> Answer {
        let way = Way::of(&probe.parse().unwrap()).unwrap();
        way.attempt(&mut Runs("a\nready: 7\n"), server(words, 1), Duration::from_millis(400)).unwrap().unwrap()
    }

    #[test]
    fn each_way_knows_its_own_sign() {
        let fine = b"HTTP/1.1 204 No Content\r\n\r\n";
        let busy = b"HTTP/1.1 503 Service Unavailable\r\n\r\n";
        assert_eq!(tried("http1", busy), Answer::Serves);
        assert_eq!(tried("request GET /healthz", fine), Answer::Serves);
        assert_eq!(
            tried("request GET /healthz", busy),
            Answer::Other("the answer to GET /healthz is HTTP/1.1 503 Service Unavailable".into())
        );
        assert!(matches!(tried("http1", b"\0\0\0\x04\0\0\0\0\0"), Answer::Other(_)));
        assert_eq!(tried("log ^ready: [0-9]+$", b""), Answer::Serves);
        assert!(matches!(tried("log ^y", b""), Answer::Other(_)));
        assert_eq!(tried("tcp", b""), Answer::Serves);
        assert_eq!(tried("tls", b"\x16\x03\x03\x00\x7a\x02\0\0\0\0"), Answer::Serves);
        assert_eq!(tried("tls", b"\0\0\0\x04\0\0\0\0\0"), Answer::Other("the server speaks HTTP/2 without TLS".into()));
        assert!(matches!(tried("tls", busy), Answer::Other(_)));
        assert_eq!(tried("listens", b""), Answer::Serves);
        assert_eq!(tried("http2", b"\0\0\0\x04\0\0\0\0\0"), Answer::Serves);
    }

    #[test]
    fn health_is_read_from_the_frames() {
        let of = |message: &[u8]| {
            let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
            body.extend_from_slice(message);
            let frames = [frame(SETTINGS, 0, 0, &[]), frame(HEADERS, END_HEADERS, 1, b"x"), frame(DATA, 0, 1, &body)];
            &*frames.concat().leak()
        };
        assert_eq!(tried("grpc-health", of(&SERVING)), Answer::Serves);
        assert_eq!(tried("grpc-health", of(&[8, 2])), Answer::Other("its health is NOT_SERVING".into()));
        assert_eq!(tried("grpc-health a.B", of(&[])), Answer::Other("its health is UNKNOWN".into()));
        let none = [frame(SETTINGS, 0, 0, &[]), frame(HEADERS, END_HEADERS | END_STREAM, 1, b"x")].concat();
        assert_eq!(tried("grpc-health", none.leak()), no_health());
        assert_eq!(tried("grpc-health", b"HTTP/1.1 400 Bad\r\n"), Answer::Http1("HTTP/1.1 400 Bad".into()));
        assert_eq!(verdict(&frame(DATA, 0, 1, &[0, 0])), None, "not all of it is there");
    }

    #[test]
    fn a_way_has_reasons_of_its_own() {
        let log = Way::of(&Probe::Log("up".into())).unwrap();
        let seen = log.own_reason(Some(&Answer::Silent), 1).unwrap();
        assert!(seen.words().contains("no line of its log matches /up/"), "{}", seen.words());
        assert_eq!(Way::Http2.own_reason(Some(&Answer::Other("x".into())), 1), None);
    }
}
