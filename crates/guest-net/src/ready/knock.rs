//! One attempt to reach a gRPC server, and what it says.
//!
//! A published port accepts connections as soon as the container exists, whether or not somebody listens inside. So the attempt
//! speaks the first words of HTTP/2, under every gRPC call, and wants the server's first words back.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::Result;

/// The client's first words, and an empty SETTINGS frame (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

const FRAME_HEAD: usize = 9;
pub(super) const SETTINGS: u8 = 4;

/// Bytes of an answer that are looked at.
const LOOKED_AT: usize = 256;

/// The longest wait without a look at the container.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// How long a server may take to answer a TLS greeting.
const TLS_PATIENCE: Duration = Duration::from_secs(2);

/// Words for a port on which nobody listens.
pub(super) const REFUSED: &str = "connections are refused";

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// An HTTP/2 server.
    Serves,
    /// The connection was accepted and closed without a word, or reset.
    Closed,
    /// The connection was accepted, and nothing was said.
    Silent,
    /// The status line of an HTTP/1 server.
    Http1(String),
    /// A TLS record.
    Tls,
    /// No connection came about: nobody listens there.
    Refused,
    /// Something else was said, or no connection came about.
    Other(String),
}

/// What a reader makes of the words of a server so far: an answer, or nothing yet. At the end, `true`, there must be one.
pub(super) type Reader = fn(&[u8], bool) -> Option<Answer>;

/// One attempt, at most as long as `patience`: says `words` and gives `reader` what comes back. `alive` is asked now and then, and its
/// error ends it.
pub(super) fn knock(
    address: SocketAddr,
    words: &[u8],
    reader: Reader,
    patience: Duration,
    alive: &mut dyn FnMut() -> Result<bool>,
) -> Result<Option<Answer>> {
    let began = Instant::now();
    let mut stream = match open(address, patience) {
        Ok(stream) => stream,
        Err(error) => return Ok(Some(broken(&error))),
    };
    if let Err(error) = stream.write_all(words) {
        return Ok(Some(broken(&error)));
    }
    let mut said = Vec::new();
    let mut buffer = [0_u8; LOOKED_AT];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) if said.is_empty() => return Ok(Some(Answer::Closed)),
            Ok(0) => return Ok(reader(&said, true)),
            Ok(got) => said.extend_from_slice(&buffer[..got]),
            Err(error) if is_timeout(&error) => {
                if began.elapsed() >= patience {
                    return Ok(if said.is_empty() { Some(Answer::Silent) } else { reader(&said, true) });
                }
                if !alive()? {
                    return Ok(None);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if said.is_empty() => return Ok(Some(broken(&error))),
            Err(_) => return Ok(reader(&said, true)),
        }
        if let Some(answer) = reader(&said, false) {
            return Ok(Some(answer));
        }
    }
}

/// Whether the server at `address` answers a TLS greeting with a TLS record: a handshake, or an alert of that protocol.
pub(super) fn wants_tls(address: SocketAddr) -> bool {
    let mut head = [0_u8; 3];
    let asked = open(address, TLS_PATIENCE).and_then(|mut stream| {
        stream.set_read_timeout(Some(TLS_PATIENCE))?;
        stream.write_all(&client_hello())?;
        stream.read_exact(&mut head)
    });
    asked.is_ok() && is_tls(&head)
}

/// Whether nobody listens at an address.
pub(super) fn is_refused(address: SocketAddr) -> bool {
    open(address, TICK).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

pub(super) fn open(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, patience.max(TICK))?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(TICK))?;
    Ok(stream)
}

pub(super) fn broken(error: &io::Error) -> Answer {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Answer::Closed,
        ErrorKind::ConnectionRefused => Answer::Refused,
        _ => Answer::Other(error.to_string()),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Knows a protocol by its first words.
pub(super) fn first_words(said: &[u8], over: bool) -> Option<Answer> {
    (over || is_whole(said)).then(|| meaning(said))
}

/// Whether enough was said to know what it is.
fn is_whole(said: &[u8]) -> bool {
    if said.starts_with(b"HTTP/") { said.contains(&b'\n') || said.len() >= LOOKED_AT } else { said.len() >= FRAME_HEAD }
}

fn meaning(said: &[u8]) -> Answer {
    if is_settings(said) {
        return Answer::Serves;
    }
    if said.starts_with(b"HTTP/1.") {
        let line = said.split(|b| *b == b'\r' || *b == b'\n').next().unwrap_or_default();
        return Answer::Http1(String::from_utf8_lossy(line).into_owned());
    }
    if is_tls(said) {
        return Answer::Tls;
    }
    let shown = &said[..said.len().min(40)];
    Answer::Other(format!("the server does not speak HTTP/2: it sent {:?}", String::from_utf8_lossy(shown)))
}

/// A SETTINGS frame of the whole connection that is no acknowledgement: three bytes length, type, flags, four bytes stream.
fn is_settings(said: &[u8]) -> bool {
    said.len() >= FRAME_HEAD && said[3] == SETTINGS && said[4] == 0 && said[5..FRAME_HEAD] == [0; 4]
}

/// A record of the handshake (22) or an alert (21), of SSL 3 or any TLS (RFC 8446, 5.1).
fn is_tls(said: &[u8]) -> bool {
    said.len() >= 3 && matches!(said[0], 21 | 22) && said[1] == 3 && said[2] <= 4
}

/// A TLS 1.2 ClientHello with common suites. A server that knows only TLS 1.3 answers with an alert, which says as much.
pub(super) fn client_hello() -> Vec<u8> {
    const SUITES: &[u8] = &[
        0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x9c,
        0x00, 0x2f,
    ];
    // Groups x25519 and P-256, P-384; uncompressed points; signatures by ECDSA, RSA-PSS and RSA; the protocol h2.
    const EXTENSIONS: &[u8] = &[
        0x00, 0x0a, 0x00, 0x08, 0x00, 0x06, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18, //
        0x00, 0x0b, 0x00, 0x02, 0x01, 0x00, //
        0x00, 0x0d, 0x00, 0x0e, 0x00, 0x0c, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03, 0x08, 0x05, 0x05,
        0x01, //
        0x00, 0x10, 0x00, 0x05, 0x00, 0x03, 0x02, b'h', b'2',
    ];
    let mut hello = vec![3, 3];
    hello.extend([0x5a; 32]);
    // No session; the suites; no compression.
    hello.push(0);
    hello.extend(length(SUITES));
    hello.extend(SUITES);
    hello.extend([1, 0]);
    hello.extend(length(EXTENSIONS));
    hello.extend(EXTENSIONS);
    let mut handshake = vec![1, 0];
    handshake.extend(length(&hello));
    handshake.extend(hello);
    let mut record = vec![22, 3, 1];
    record.extend(length(&handshake));
    record.extend(handshake);
    record
}

/// A length in two bytes; what is measured here is short.
fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use std::{net::TcpListener, thread};

    use super::*;
    use crate::Error;

    /// A server that says `words` after the client's first bytes on each of `connections`, then waits for the client to leave,
    /// unless it has nothing to say.
    pub(in crate::ready) fn server(words: &'static [u8], connections: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 512]).unwrap();
                stream.write_all(words).unwrap();
                if !words.is_empty() {
                    let _ = stream.read(&mut [0]);
                }
            }
        });
        address
    }

    fn answer(address: SocketAddr) -> Answer {
        knock(address, PREFACE, first_words, Duration::from_millis(600), &mut || Ok(true)).unwrap().unwrap()
    }

    #[test]
    fn a_settings_frame_is_an_answer() {
        let words = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00";
        assert_eq!(answer(server(words, 1)), Answer::Serves);
    }

    #[test]
    fn other_words_or_none_are_told_apart() {
        assert_eq!(
            answer(server(b"HTTP/1.1 400 Bad Request\r\nx: y\r\n\r\n", 1)),
            Answer::Http1("HTTP/1.1 400 Bad Request".into())
        );
        assert_eq!(answer(server(b"\x15\x03\x01\x00\x02\x02\x46", 1)), Answer::Tls);
        assert_eq!(answer(server(b"", 1)), Answer::Closed);
        // An acknowledgement is not the server's own first frame.
        assert!(matches!(answer(server(b"\x00\x00\x00\x04\x01\x00\x00\x00\x00", 1)), Answer::Other(_)));
        let Answer::Other(said) = answer(server(b"220 mail.example ESMTP\r\n", 1)) else { panic!() };
        assert!(said.contains("220 mail.example"), "{said}");
    }

    #[test]
    fn a_silent_server_is_waited_for_and_its_container_watched() {
        // Accepted by the kernel, never answered.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(answer(address), Answer::Silent);
        let mut looks = 0;
        let mut alive = || {
            looks += 1;
            Ok(looks < 2)
        };
        assert_eq!(knock(address, PREFACE, first_words, Duration::from_secs(60), &mut alive).unwrap(), None);
        let error =
            knock(address, PREFACE, first_words, Duration::from_secs(60), &mut || Err(Error::new("gone"))).unwrap_err();
        assert_eq!(error.to_string(), "gone");
    }

    #[test]
    fn a_closed_port_is_named_so() {
        let (_kept, address) = crate::test_ports::refusing();
        assert_eq!(answer(address), Answer::Refused);
        assert!(is_refused(address));
    }

    #[test]
    fn tls_is_recognised_by_its_records() {
        assert!(wants_tls(server(b"\x16\x03\x03\x00\x7a\x02", 1)));
        assert!(wants_tls(server(b"\x15\x03\x01\x00\x02\x02\x46", 1)));
        assert!(!wants_tls(server(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1)));
        assert!(!wants_tls(server(b"", 1)));
    }

    #[test]
    fn the_tls_greeting_has_right_lengths() {
        let hello = client_hello();
        let number = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        assert_eq!(number(3), hello.len() - 5);
        assert_eq!(number(7), hello.len() - 9);
        let suites = 9 + 2 + 32 + 1;
        let extensions = suites + 2 + number(suites) + 2;
        assert_eq!(number(extensions), hello.len() - extensions - 2);
    }
}
