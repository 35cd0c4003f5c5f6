//! Finding out what speaks on the ports that a container listens on.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futon_model::{Listener, Speaks, is_loopback};

use super::{
    knock::{Answer, PREFACE, REFUSED, first_words, knock, wants_tls},
    listeners,
    subject::Subject,
    way::request,
};
use crate::Result;

/// Ports that are looked at: no function has as many.
const MOST: usize = 16;
/// How long one connection may stay without an answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long all of them may take together.
const WHOLE: Duration = Duration::from_secs(40);

/// What speaks on each port that the container listens on. `address` is how a client on this machine reaches it.
pub(super) fn look(subject: &mut dyn Subject, address: SocketAddr) -> Result<Vec<Listener>> {
    let began = Instant::now();
    let facts = subject.facts()?;
    // One that lives in the machine's own network has no list of its own.
    let listening = facts.pid.and_then(listeners::of).unwrap_or_else(|| vec![address]);
    let mut seen = Vec::new();
    for at in by_port(listening).into_iter().take(MOST) {
        let reached_at = (!is_loopback(at.ip()) || at == address).then(|| (address.ip(), at.port()).into());
        let left = WHOLE.saturating_sub(began.elapsed()).min(PATIENCE);
        let speaks = match reached_at {
            Some(reached) => speaks(subject, reached, left)?,
            None => Speaks::Loopback,
        };
        seen.push(Listener { address: at.ip(), port: at.port(), reached_at, speaks, grpc: None });
    }
    Ok(seen)
}

/// One address for each port: of several, one that is reached from outside.
fn by_port(mut listening: Vec<SocketAddr>) -> Vec<SocketAddr> {
    listening.sort_by_key(|at| (at.port(), is_loopback(at.ip()), at.is_ipv6()));
    listening.dedup_by_key(|at| at.port());
    listening
}

/// Says the first words of HTTP/2, then a request of HTTP/1, then those of TLS, until an answer tells.
fn speaks(subject: &mut dyn Subject, address: SocketAddr, patience: Duration) -> Result<Speaks> {
    let mut said = |words: &[u8]| knock(address, words, first_words, patience, &mut || Ok(subject.exit()?.is_none()));
    let first = said(PREFACE)?;
    match first {
        Some(Answer::Serves) => return Ok(Speaks::Http2),
        Some(Answer::Tls) => return Ok(Speaks::Tls),
        // It has ended: a container that our words kill.
        None => return Ok(Speaks::Closes),
        Some(_) => {}
    }
    match said(&request("GET", "/"))? {
        // A server of TLS answers plain words with a line of HTTP/1, too.
        Some(Answer::Http1(line)) if !wants_tls(address) => return Ok(Speaks::Http1 { line }),
        Some(Answer::Http1(_) | Answer::Tls) => return Ok(Speaks::Tls),
        _ if wants_tls(address) => return Ok(Speaks::Tls),
        _ => {}
    }
    Ok(match first {
        Some(Answer::Http1(line)) => Speaks::Http1 { line },
        Some(Answer::Silent) => Speaks::Silence,
        Some(Answer::Other(said)) => Speaks::Other { said },
        Some(Answer::Refused) => Speaks::Other { said: REFUSED.into() },
        _ => Speaks::Closes,
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{knock::tests::server, subject::Exit, subject::Facts},
        *,
    };

    struct Runs;

    impl Subject for Runs {
        fn exit(&mut self) -> Result<Option<Exit>> {
            Ok(None)
        }
        fn facts(&mut self) -> Result<Facts> {
            Ok(Facts::default())
        }
        fn has_line(&mut self, _: &dyn Fn(&str) -> bool) -> Result<bool> {
            Ok(false)
        }
    }

    fn seen(words: &'static [u8], connections: usize) -> Speaks {
        let address = server(words, connections);
        let seen = look(&mut Runs, address).unwrap();
        assert_eq!((seen.len(), seen[0].port, seen[0].reached_at), (1, address.port(), Some(address)));
        seen[0].speaks.clone()
    }

    #[test]
    fn protocols_are_told_apart() {
        assert_eq!(seen(b"\0\0\0\x04\0\0\0\0\0", 1), Speaks::Http2);
        let line = "HTTP/1.0 404 Not Found";
        assert_eq!(seen(b"HTTP/1.0 404 Not Found\r\n\r\n", 3), Speaks::Http1 { line: line.into() });
        assert_eq!(seen(b"\x15\x03\x01\x00\x02\x02\x46", 1), Speaks::Tls);
        assert_eq!(seen(b"", 3), Speaks::Closes);
        let Speaks::Other { said } = seen(b"220 mail.example ESMTP\r\n", 3) else { panic!() };
        assert!(said.contains("220 mail.example"), "{said}");
    }

    #[test]
    fn a_port_is_looked_at_once_and_from_outside_where_that_can_be() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let found = by_port(vec![at("[::]:80"), at("127.0.0.1:80"), at("0.0.0.0:80"), at("127.0.0.1:9")]);
        assert_eq!(found, [at("127.0.0.1:9"), at("0.0.0.0:80")]);
    }
}
