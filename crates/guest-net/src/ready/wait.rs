//! The wait itself, and the diagnosis at its end.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use futon_model::{Probe, Seen, Unready, is_loopback};

use super::{
    knock::{Answer, REFUSED, TICK, is_refused, wants_tls},
    listeners,
    look::look,
    subject::{Exit, Facts, Subject},
    way::Way,
};
use crate::Result;

/// Between the first two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// How long the first connection may stay without an answer before a new one is tried; the next ones may stay longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a wait ended.
#[derive(Debug)]
pub enum Readiness {
    /// The server answers as its probe wants.
    Serves,
    /// Something listens: what speaks on which port.
    Listens(Seen),
    /// It does not serve, and why.
    Unready(Unready),
}

/// Waits until the server at `address` answers, at most for `limit`. Between two attempts there is a pause, short at first and in the end
/// at most as long as `longest`.
///
/// # Errors
/// When the container cannot be looked at.
pub fn wait(
    subject: &mut dyn Subject,
    address: SocketAddr,
    probe: &Probe,
    limit: Duration,
    longest: Duration,
) -> Result<Readiness> {
    let way = Way::of(probe)?;
    Ok(match follow(subject, &way, address, limit, longest.min(TICK))? {
        Some(reason) => Readiness::Unready(reason),
        None if *probe == Probe::Listens => Readiness::Listens(Seen { listeners: look(subject, address)? }),
        None => Readiness::Serves,
    })
}

/// Tries until the server answers: nothing then, else the reason.
fn follow(
    subject: &mut dyn Subject,
    way: &Way,
    address: SocketAddr,
    limit: Duration,
    longest: Duration,
) -> Result<Option<Unready>> {
    let began = Instant::now();
    let mut last = None;
    let (mut pause, mut patience) = (FIRST_PAUSE.min(longest), PATIENCE);
    loop {
        if let Some(exit) = subject.exit()? {
            return Ok(Some(exited(exit)));
        }
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        match way.attempt(subject, address, left.min(patience))? {
            Some(Answer::Serves) => return Ok(None),
            Some(answer) => {
                // Who takes longer for an answer gets longer.
                if answer == Answer::Silent {
                    patience *= 2;
                }
                last = Some(answer);
            }
            // It has ended: the loop's head says how.
            None => continue,
        }
        thread::sleep(pause.min(limit.saturating_sub(began.elapsed())));
        pause = (pause * 2).min(longest);
    }
    let facts = subject.facts()?;
    let listening = facts.pid.and_then(listeners::of);
    let port = facts.port.unwrap_or_else(|| address.port());
    let asked = Asked { tls: &|| wants_tls(address), refused: &|| facts.own(address).is_some_and(is_refused) };
    Ok(Some(match way.own_reason(last.as_ref(), port) {
        Some(reason) if facts.restarts == 0 => reason,
        _ => diagnose(&facts, listening.as_deref(), last, address.port(), &asked),
    }))
}

fn exited(exit: Exit) -> Unready {
    let runtime_said = runtime_reason(&exit.first_words);
    Unready::Exited { status: exit.status, oom_killed: exit.oom_killed, kernel_said: exit.kernel_said, runtime_said }
}

/// Why crun could not execute a container's program: it says so on the container's own standard error, and nothing else was said.
fn runtime_reason(first_words: &str) -> Option<String> {
    let mut lines = first_words.lines().filter(|line| !line.trim().is_empty());
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    // Under the engine its lines are JSON.
    let message = serde_json::from_str::<serde_json::Value>(line).ok();
    let line = message.as_ref().and_then(|line| line.get("msg")?.as_str()).unwrap_or(line);
    let at = line.find("exec container process")?;
    // Its guess at the reason is only one of two.
    let said = line[at..].trim_end().replace("exec container process (missing dynamic library?)", "exec");
    Some(said.replace("exec container process", "exec"))
}

/// What more can be asked of a server that does not serve.
struct Asked<'a> {
    /// Whether it wants TLS.
    tls: &'a dyn Fn() -> bool,
    /// Whether nobody listens on the called port at the container's own address, which is one of IPv4.
    refused: &'a dyn Fn() -> bool,
}

/// The reason, from what is known of the container and from the last attempt.
fn diagnose(
    facts: &Facts,
    listening: Option<&[SocketAddr]>,
    last: Option<Answer>,
    called: u16,
    asked: &Asked<'_>,
) -> Unready {
    let port = facts.port.unwrap_or(called);
    if facts.restarts > 0 {
        return Unready::Restarts { times: facts.restarts, status: facts.last_status };
    }
    if let Some(listening) = listening {
        let (here, elsewhere): (Vec<SocketAddr>, Vec<SocketAddr>) =
            listening.iter().copied().partition(|address| address.port() == port);
        if !here.is_empty() && here.iter().all(|address| is_loopback(address.ip())) {
            return Unready::LoopbackOnly { at: here };
        }
        if here.is_empty() && !elsewhere.is_empty() {
            return Unready::OtherPort { port, at: elsewhere };
        }
        if here.is_empty() {
            return Unready::NotListening { port };
        }
        if let Some(at) = listeners::only_ipv6(listening, port).filter(|_| (asked.refused)()) {
            return Unready::Ipv6Only { at };
        }
    }
    match last {
        Some(Answer::Tls) => Unready::WantsTls { port },
        // Servers answer a greeting that is not TLS with a close, or with a line of HTTP/1.
        Some(Answer::Closed | Answer::Http1(_) | Answer::Other(_)) if (asked.tls)() => Unready::WantsTls { port },
        Some(Answer::Http1(line)) => Unready::SpeaksHttp1 { port, line },
        Some(Answer::Closed) => Unready::Closes { port },
        Some(Answer::Silent) => Unready::Silent { port },
        Some(Answer::Other(seen)) => Unready::Other { port, seen },
        Some(Answer::Refused) => Unready::Other { port, seen: REFUSED.into() },
        Some(Answer::Serves) | None => Unready::Other { port, seen: "it was not tried: the limit is too short".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::{super::knock::tests::server, *};

    struct Fixed {
        exit: Option<Exit>,
        facts: Facts,
    }

    impl Subject for Fixed {
        fn exit(&mut self) -> Result<Option<Exit>> {
            Ok(self.exit.clone())
        }

        fn facts(&mut self) -> Result<Facts> {
            Ok(self.facts.clone())
        }

        fn has_line(&mut self, _: &dyn Fn(&str) -> bool) -> Result<bool> {
            Ok(false)
        }
    }

    fn followed(exit: Option<Exit>, address: SocketAddr) -> Option<Unready> {
        let mut subject = Fixed { exit, facts: Facts { port: Some(50051), ..Facts::default() } };
        follow(&mut subject, &Way::of(&Probe::Http2).unwrap(), address, Duration::from_millis(400), TICK).unwrap()
    }

    #[test]
    fn an_end_is_the_reason() {
        let exit = Exit { status: 132, kernel_said: Some("traps: x".into()), ..Exit::default() };
        let reason = followed(Some(exit), server(b"", 1)).unwrap();
        assert_eq!(reason.words(), "it exited with status 132 (SIGILL, illegal instruction) (kernel: traps: x)");
    }

    #[test]
    fn a_server_is_served_by() {
        assert_eq!(followed(None, server(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 1)), None);
    }

    #[test]
    fn an_http_1_server_is_named_at_the_limit() {
        let reason = followed(None, server(b"HTTP/1.1 400 Bad Request\r\n\r\n", 100)).unwrap();
        assert_eq!(reason, Unready::SpeaksHttp1 { port: 50051, line: "HTTP/1.1 400 Bad Request".into() });
    }

    #[test]
    fn what_listens_is_named() {
        let address = server(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 2);
        let mut subject = Fixed { exit: None, facts: Facts::default() };
        let ended = wait(&mut subject, address, &Probe::Listens, Duration::from_secs(20), TICK).unwrap();
        let Readiness::Listens(seen) = ended else { panic!("{ended:?}") };
        assert_eq!((seen.listeners.len(), seen.listeners[0].reached_at), (1, Some(address)));
        assert_eq!(seen.listeners[0].speaks, futon_model::Speaks::Http2);
    }

    #[test]
    fn the_listeners_tell_more_than_the_connection() {
        let facts = Facts { port: Some(50051), ..Facts::default() };
        let said = |listening: &[&str], last: Answer, tls: bool| {
            let listening: Vec<SocketAddr> = listening.iter().map(|a| a.parse().unwrap()).collect();
            diagnose(&facts, Some(&listening), Some(last), 50000, &Asked { tls: &|| tls, refused: &|| false })
        };
        assert_eq!(said(&[], Answer::Closed, false), Unready::NotListening { port: 50051 });
        let at = |address: &str| vec![address.parse().unwrap()];
        for address in ["127.0.0.1:50051", "[::1]:50051"] {
            assert_eq!(said(&[address], Answer::Closed, false), Unready::LoopbackOnly { at: at(address) });
        }
        assert_eq!(
            said(&["0.0.0.0:8080"], Answer::Closed, false),
            Unready::OtherPort { port: 50051, at: at("0.0.0.0:8080") }
        );
        let here = &["127.0.0.1:50051", "0.0.0.0:50051"][..];
        assert_eq!(said(here, Answer::Closed, false), Unready::Closes { port: 50051 });
        assert_eq!(said(here, Answer::Closed, true), Unready::WantsTls { port: 50051 });
        assert_eq!(said(here, Answer::Http1("HTTP/1.0 400".into()), true), Unready::WantsTls { port: 50051 });
        assert_eq!(said(here, Answer::Silent, true), Unready::Silent { port: 50051 });
    }

    #[test]
    fn a_server_of_ipv6_alone_is_named() {
        let facts = Facts { port: Some(8080), ..Facts::default() };
        let said = |listening: &[&str], refused: bool, last: Answer| {
            let listening: Vec<SocketAddr> = listening.iter().map(|a| a.parse().unwrap()).collect();
            diagnose(&facts, Some(&listening), Some(last), 50000, &Asked { tls: &|| false, refused: &|| refused })
        };
        let only = Unready::Ipv6Only { at: vec!["[::]:8080".parse().unwrap()] };
        // The lean guest calls the container itself; under an engine its proxy accepts the connection and closes it.
        assert_eq!(said(&["[::]:8080"], true, Answer::Refused), only);
        assert_eq!(said(&["[::]:8080", "[::1]:8080", "0.0.0.0:9"], true, Answer::Closed), only);
        // Most servers take both.
        assert_eq!(said(&["[::]:8080"], false, Answer::Closed), Unready::Closes { port: 8080 });
        assert_eq!(said(&["[::]:8080", "0.0.0.0:8080"], true, Answer::Closed), Unready::Closes { port: 8080 });
        assert!(matches!(said(&["[::1]:8080"], true, Answer::Refused), Unready::LoopbackOnly { .. }));
    }

    #[test]
    fn a_containers_own_address_is_not_the_machines() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let facts = |address: Option<&str>| Facts {
            port: Some(8080),
            address: address.map(|address| address.parse().unwrap()),
            ..Facts::default()
        };
        assert_eq!(facts(Some("172.18.0.2")).own(at("127.0.0.1:50000")), Some(at("172.18.0.2:8080")));
        assert_eq!(facts(None).own(at("172.18.0.2:8080")), Some(at("172.18.0.2:8080")));
        assert_eq!(facts(None).own(at("127.0.0.1:50000")), None);
    }

    #[test]
    fn nobody_listens_where_a_connection_is_refused() {
        let (_kept, address) = crate::test_ports::refusing();
        assert!(is_refused(address));
        let reason = followed(None, address).unwrap();
        assert_eq!(reason.words(), "port 50051: connections are refused");
        // What listens tells more than that, whatever way the function is waited for.
        let request = Way::of(&"request GET /healthz".parse().unwrap()).unwrap();
        assert_eq!(request.own_reason(Some(&Answer::Refused), 1), None);
    }

    #[test]
    fn a_crash_loop_is_the_reason_whatever_else_is_seen() {
        let facts = Facts { restarts: 3, last_status: Some(1), ..Facts::default() };
        let reason =
            diagnose(&facts, Some(&[]), Some(Answer::Closed), 50000, &Asked { tls: &|| false, refused: &|| true });
        assert_eq!(reason.words(), "it keeps exiting and was restarted 3 times, last with status 1");
    }

    #[test]
    fn the_runtimes_words_are_told_from_the_programs() {
        let said = "2026-11-27T03:00:00.1Z exec container process `/server`: Exec format error\n";
        assert_eq!(runtime_reason(said).unwrap(), "exec `/server`: Exec format error");
        let guess = "exec container process (missing dynamic library?) `/s`: No such file or directory";
        assert_eq!(runtime_reason(guess).unwrap(), "exec `/s`: No such file or directory");
        let json = r#"{"msg":"exec container process `/arm`: Exec format error","level":"error","time":"2026-11-27T08:40:02.1Z"}"#;
        assert_eq!(runtime_reason(json).unwrap(), "exec `/arm`: Exec format error");
        assert_eq!(runtime_reason("starting\nexec container process `x`: no\n"), None);
        assert_eq!(runtime_reason(""), None);
    }
}
