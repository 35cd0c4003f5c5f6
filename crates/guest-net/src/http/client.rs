//! Sends one request and reads the head of its answer.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::{Body, Limits, Target, body::Framing, stream::Stream};

const LARGEST_HEAD: usize = 64 * 1024;
const PIECE: usize = 64 * 1024;

/// What goes with a request.
pub enum Payload<'a> {
    /// Nothing.
    None,
    /// Something short.
    Bytes(&'a [u8]),
    /// Something of known length, bytes.
    Sized(u64, &'a mut dyn Read),
    /// Something whose end only its reader knows; sent in chunks.
    Chunked(&'a mut dyn Read),
}

impl std::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bytes(_) => "Bytes",
            Self::Sized(..) => "Sized",
            Self::Chunked(_) => "Chunked",
        })
    }
}

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a str,
    /// Path and query, encoded.
    pub path: &'a str,
    /// Headers beside those of the connection and the payload.
    pub headers: Vec<(&'a str, String)>,
    /// Payload.
    pub payload: Payload<'a>,
}

impl<'a> Request<'a> {
    /// A request for something.
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", path, headers: Vec::new(), payload: Payload::None }
    }

    /// A request that brings something.
    pub fn post(path: &'a str, payload: Payload<'a>) -> Self {
        Self { method: "POST", path, headers: Vec::new(), payload }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers of futon's own, and `etag`: names in small letters, values.
    headers: Vec<(String, String)>,
    /// Body.
    pub body: Body<BufReader<Stream>>,
}

impl Response {
    /// The value of a header that is kept, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a request and waits for the head of its answer.
///
/// # Errors
///
/// Of the kind of the failing socket operation; `TimedOut` where a limit struck, `InvalidData` for what is not HTTP.
pub fn send(target: &Target, limits: Limits, request: Request<'_>) -> io::Result<Response> {
    let mut stream = Stream::connect(target, limits)?;
    let head = head(target, &request);
    let method = request.method.to_owned();
    if let Err(error) = stream.write_all(head.as_bytes()).and_then(|()| send_payload(&mut stream, request.payload)) {
        // A server that refuses a body answers before it has read all of it.
        let gone = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
        return if gone { receive(stream, &method).map_err(|_| error) } else { Err(error) };
    }
    receive(stream, &method)
}

fn head(target: &Target, request: &Request<'_>) -> String {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    let mut line = |name: &str, value: &str| {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    };
    line("Host", &target.host());
    line("User-Agent", concat!("futon-guest/", env!("CARGO_PKG_VERSION")));
    line("Accept", "*/*");
    line("Connection", "close");
    for (name, value) in &request.headers {
        line(name, value);
    }
    match &request.payload {
        Payload::None if request.method == "GET" || request.method == "HEAD" => {}
        Payload::None => line("Content-Length", "0"),
        Payload::Bytes(bytes) => line("Content-Length", &bytes.len().to_string()),
        Payload::Sized(length, _) => line("Content-Length", &length.to_string()),
        Payload::Chunked(_) => line("Transfer-Encoding", "chunked"),
    }
    head.push_str("\r\n");
    head
}

fn send_payload(stream: &mut Stream, payload: Payload<'_>) -> io::Result<()> {
    match payload {
        Payload::None => Ok(()),
        Payload::Bytes(bytes) => stream.write_all(bytes),
        Payload::Sized(length, source) => {
            let sent = copy(&mut source.take(length), |piece| stream.write_all(piece))?;
            if sent == length {
                Ok(())
            } else {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("had {sent} of {length} bytes to send")))
            }
        }
        Payload::Chunked(source) => {
            copy(source, |piece| {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
                stream.write_all(piece)?;
                stream.write_all(b"\r\n")
            })?;
            stream.write_all(b"0\r\n\r\n")
        }
    }
}

fn copy(source: &mut dyn Read, mut put: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0_u8; PIECE];
    let mut sum = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(sum),
            Ok(got) => {
                put(&buffer[..got])?;
                sum += got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn receive(stream: Stream, method: &str) -> io::Result<Response> {
    let mut source = BufReader::with_capacity(PIECE, stream);
    loop {
        let head = read_head(&mut source)?;
        let (status, framing) = parse_head(&head, method)?;
        // 100 Continue and its like come before the answer proper.
        if status >= 200 {
            let headers = kept_headers(&head);
            return Ok(Response { status, headers, body: Body::new(source, framing) });
        }
    }
}

fn read_head(source: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let room = (LARGEST_HEAD - head.len()) as u64;
        let got = source.by_ref().take(room).read_until(b'\n', &mut head)?;
        if got == 0 && head.len() >= LARGEST_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too large"));
        }
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before the answer"));
        }
        if head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n") {
            return Ok(head);
        }
    }
}

/// The headers whose names begin with `x-futon-`, and the one that names the content.
fn kept_headers(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let pairs = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    pairs.filter(|(name, _)| name.starts_with("x-futon-") || name == "etag").collect()
}

fn parse_head(head: &[u8], method: &str) -> io::Result<(u16, Framing)> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("the answer is not HTTP: {why}"));
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed.parse(head).map_err(|error| invalid(error.to_string()))?;
    let status = parsed.code.ok_or_else(|| invalid("no status".to_owned()))?;
    let value = |name: &str| {
        parsed
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    let framing = if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        Framing::Length(0)
    } else if value("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
        Framing::Chunked { left: 0, first: true }
    } else if let Some(length) = value("content-length") {
        Framing::Length(length.parse().map_err(|_| invalid(format!("{length:?} is not a length")))?)
    } else {
        Framing::Close
    };
    Ok((status, framing))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
