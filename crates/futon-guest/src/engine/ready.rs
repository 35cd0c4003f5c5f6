//! `ready`: waits until the function serves, or is known never to.
//!
//! A published port accepts connections as soon as the container exists, whether or not somebody listens inside. So the probe
//! speaks the first words of HTTP/2, under every gRPC call, and wants the server's first words back.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::Engine;
use crate::error::{Error, Result};

/// The client's first words, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

const FRAME_HEAD: usize = 9;
const SETTINGS: u8 = 4;

/// Between the first two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Between two attempts, later on, and the longest wait without a look at the container.
const TICK: Duration = Duration::from_millis(250);
/// How long one connection may stay without an answer before a new one is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until the server behind `port` on this machine answers, at most for `limit`.
pub(crate) fn wait_until_ready(engine: &Engine, container: &str, port: u16, limit: Duration) -> Result<()> {
    let began = Instant::now();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_until_served(container, address, limit, TICK, &mut || check_container(engine, container, began))
}

/// Waits until the server at `address` answers, at most for `limit`; `alive` is asked now and then, and its error ends the wait.
/// Between two attempts there is a pause, short at first and in the end as long as `pause`.
pub(crate) fn wait_until_served(
    container: &str,
    address: SocketAddr,
    limit: Duration,
    pause: Duration,
    alive: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    let port = address.port();
    let mut last = String::from("nothing tried yet");
    let mut next = FIRST_PAUSE.min(pause);
    while began.elapsed() < limit {
        alive()?;
        match probe(address, limit.saturating_sub(began.elapsed()).min(PATIENCE), alive)? {
            None => {
                println!("container {container} serves on port {port} after {:.3} s", began.elapsed().as_secs_f64());
                return Ok(());
            }
            Some(why) => last = why,
        }
        thread::sleep(next);
        next = (next * 2).min(pause);
    }
    alive()?;
    Err(Error::new(format!(
        "nothing answers on port {port} within {} ({last}); container {container} is still running; \
         hint: does the function listen on all addresses, on the port that is published?",
        humantime::format_duration(limit)
    )))
}

fn check_container(engine: &Engine, name: &str, began: Instant) -> Result<()> {
    let container = engine.container(name)?.ok_or_else(|| Error::new(format!("container {name} is gone")))?;
    if container.state.is_over() {
        let oom = if container.state.oom_killed { " (out of memory)" } else { "" };
        return Err(Error::new(format!(
            "container {name} exited with status {}{oom} after {:.1} s, before it served",
            container.state.exit_code,
            began.elapsed().as_secs_f64()
        )));
    }
    Ok(())
}

/// One attempt: nothing when the server answered as it should, else why not.
fn probe(address: SocketAddr, patience: Duration, alive: &mut dyn FnMut() -> Result<()>) -> Result<Option<String>> {
    let began = Instant::now();
    let opened = TcpStream::connect_timeout(&address, patience.max(TICK)).and_then(|mut stream| {
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        stream.write_all(PREFACE).map(|()| stream)
    });
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let mut head = [0_u8; FRAME_HEAD];
    let mut length = 0;
    while length < head.len() {
        match stream.read(&mut head[length..]) {
            Ok(0) => return Ok(Some("the connection was closed without an answer".to_owned())),
            Ok(got) => length += got,
            Err(error) if is_timeout(&error) => {
                if began.elapsed() >= patience {
                    return Ok(Some("the connection was accepted but nothing was said".to_owned()));
                }
                alive()?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Ok(Some(error.to_string())),
        }
    }
    Ok((!is_settings(head)).then(|| "what answers does not speak HTTP/2".to_owned()))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A SETTINGS frame of the whole connection that is no acknowledgement: three bytes length, type, flags, four bytes stream.
fn is_settings(head: [u8; FRAME_HEAD]) -> bool {
    head[3] == SETTINGS && head[4] == 0 && head[5..] == [0; 4]
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server for one connection that says `words` after the client's first ones, then waits for the client to leave.
    fn server(words: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut preface = [0; PREFACE.len()];
            stream.read_exact(&mut preface).unwrap();
            assert_eq!(preface, PREFACE);
            stream.write_all(words).unwrap();
            if !words.is_empty() {
                let _ = stream.read(&mut [0]);
            }
        });
        address
    }

    fn outcome(address: SocketAddr) -> Option<String> {
        probe(address, Duration::from_millis(600), &mut || Ok(())).unwrap()
    }

    #[test]
    fn a_settings_frame_is_an_answer() {
        assert_eq!(outcome(server(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00")), None);
    }

    #[test]
    fn other_words_or_none_are_not() {
        assert!(outcome(server(b"HTTP/1.1 400 Bad Request\r\n\r\n")).unwrap().contains("HTTP/2"));
        assert!(outcome(server(b"\x00\x00\x00\x04\x01\x00\x00\x00\x00")).unwrap().contains("HTTP/2"));
        assert!(outcome(server(b"")).is_some());
    }

    #[test]
    fn a_silent_server_is_waited_for_and_its_container_watched() {
        // Accepted by the kernel, never answered: what a userland proxy does.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(outcome(address).unwrap().contains("nothing was said"));
        let mut looks = 0;
        let result = probe(address, Duration::from_secs(60), &mut || {
            looks += 1;
            if looks == 2 { Err(Error::new("exited")) } else { Ok(()) }
        });
        assert_eq!(result.unwrap_err().to_string(), "exited");
    }

    #[test]
    fn a_closed_port_is_named_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(outcome(address).unwrap().contains("refused"));
    }

    #[test]
    fn a_container_that_exited_ends_the_wait_with_its_status() {
        let (engine, _server) = super::super::api::tests::engine(
            "HTTP/1.1 200 OK\r\n\r\n{\"Image\":\"i\",\"Config\":{\"Image\":\"x\"},\"State\":{\"Status\":\"exited\",\"ExitCode\":3}}",
        );
        let error = wait_until_ready(&engine, "function", 1, Duration::from_secs(60)).unwrap_err().to_string();
        assert!(error.starts_with("container function exited with status 3 after 0."), "{error}");
    }
}
