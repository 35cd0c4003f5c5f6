//! Connections, opened when a call wants one and kept.

use std::{
    convert::Infallible,
    io::ErrorKind,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use calls::wire::{Broken, Protocol};
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::{
    body::{Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioIo;

use crate::grpc::{Secure, Stream, chain, keep_trying, tcp, try_once, within};

/// How long a lost connection is tried to be had again, outside a call's latency but within its limit.
pub(super) const RECONNECT: Duration = Duration::from_secs(5);

/// Connections in a row that are gone before a request is sent.
const MOST_UNSENT: u32 = 5;

/// Before a call that was refused is sent again.
const BREATH: Duration = Duration::from_millis(10);

/// Body of every request: all of it is there from the start.
pub type Body = Either<Full<Bytes>, NoMessages>;

/// Header lines of a reply over HTTP/1.1 at most.
const MOST_HEADERS: usize = 4096;

/// A gRPC stream of no messages: headers, and then an empty last frame. A server of grpc-go does not take headers that end
/// the stream for its end: it waits for ever. All of gRPC's own clients send the frame.
#[derive(Debug)]
pub struct NoMessages;

impl hyper::body::Body for NoMessages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

/// The body of a gRPC request.
pub fn messages(bytes: Bytes) -> Body {
    if bytes.is_empty() { Either::Right(NoMessages) } else { Either::Left(Full::new(bytes)) }
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Failed {
    /// It is no request.
    Malformed(http::Error),
    /// There is no connection to be had, in words.
    NoConnection(String),
    /// It was sent, or half of it.
    Unanswered(hyper::Error),
}

impl Failed {
    /// The same for a reply; `unanswered` is what a request without an answer is.
    pub fn told(self, unanswered: Broken) -> (Broken, String) {
        match self {
            Self::Malformed(error) => (Broken::Protocol, chain(&error)),
            Self::NoConnection(why) => (Broken::Lost, why),
            Self::Unanswered(error) => (unanswered, chain(&error)),
        }
    }
}

fn no_connection(why: impl std::fmt::Display) -> Failed {
    Failed::NoConnection(format!("no connection: {why}"))
}

/// What the server's HTTP/2 said, if that is why a request has no answer.
fn said(error: &hyper::Error) -> Option<&h2::Error> {
    std::error::Error::source(error)?.downcast_ref::<h2::Error>().filter(|error| error.is_remote())
}

/// The code with which the server reset a stream, if that is what went wrong.
pub fn reset(error: &hyper::Error) -> Option<h2::Reason> {
    said(error).filter(|error| error.is_reset())?.reason()
}

/// Whether the server said that it leaves, and that the call came too late.
fn was_left(error: &hyper::Error) -> bool {
    said(error).is_some_and(h2::Error::is_go_away)
}

/// Whether the server said that it has not begun a call, and never will.
fn is_not_begun(error: &hyper::Error) -> bool {
    was_left(error)
        || said(error).is_some_and(|error| error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Whether a connection of HTTP/1.1 ended before a byte of an answer.
fn ended_without_a_word(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    let ended = |error: &std::io::Error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
    error.is_incomplete_message() || source.is_some_and(ended)
}

/// The connections to a function.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    /// The host of requests that name none.
    host: String,
    secure: Option<Secure>,
    http1: Option<http1::SendRequest<Body>>,
    http2: Option<http2::SendRequest<Body>>,
}

impl Link {
    /// To an address, over TLS where `secure` says how; nothing is opened yet.
    pub fn new(address: SocketAddr, secure: Option<Secure>) -> Self {
        Self { address, host: address.to_string(), secure, http1: None, http2: None }
    }

    /// The same, for requests to another host than its address.
    pub fn called(self, host: String) -> Self {
        Self { host, ..self }
    }

    /// The scheme of its requests.
    pub fn scheme(&self) -> &'static str {
        if self.secure.is_some() { "https" } else { "http" }
    }

    /// The host of requests that name none.
    pub fn host(&self) -> String {
        self.host.clone()
    }

    /// Connects for a protocol, trying again until `limit` is over.
    ///
    /// # Errors
    /// How often it was tried, and how the last try ended.
    pub async fn connect(&mut self, protocol: Protocol, limit: Duration) -> Result<(), String> {
        let what = match protocol {
            Protocol::Grpc => "gRPC",
            Protocol::H2c => "HTTP/2",
            Protocol::Http1 => "HTTP",
        };
        let address = self.address;
        let made = keep_trying(what, address, limit, async |left| self.open(protocol, left).await).await;
        made.map_err(|why| match &self.secure {
            Some(secure) => secure.told(why),
            None => why,
        })
    }

    async fn open(&mut self, protocol: Protocol, limit: Duration) -> Result<(), String> {
        if protocol != Protocol::Http1 {
            self.http2 = Some(try_once(self.stream("h2"), limit).await?);
            return Ok(());
        }
        let sender = within(limit, async {
            let stream = TokioIo::new(self.stream("http/1.1").await?);
            let mut client = http1::Builder::new();
            // As Go's client and curl take it.
            client.max_headers(MOST_HEADERS).allow_obsolete_multiline_headers_in_responses(true);
            let (sender, connection) = client.handshake(stream).await.map_err(|error| chain(&error))?;
            tokio::spawn(connection);
            Ok(sender)
        });
        self.http1 = Some(sender.await?);
        Ok(())
    }

    async fn stream(&self, protocol: &str) -> Result<Stream, String> {
        Stream::new(tcp(self.address).await?, self.secure.as_ref(), protocol).await
    }

    /// The connection for HTTP/1.1; opened anew where the server closed the last one.
    ///
    /// # Errors
    /// There is none to be had.
    async fn http1(&mut self, limit: Duration) -> Result<&mut http1::SendRequest<Body>, String> {
        // A server may end a connection after any reply; that shows a moment later.
        let usable = match &mut self.http1 {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.open(Protocol::Http1, limit).await?;
        }
        self.http1.as_mut().ok_or_else(|| "no connection".to_owned())
    }

    /// Sends what `request` makes over HTTP/1.1. A server may close a connection between two requests at any time, and all clients of HTTP/1.1 know it
    /// (RFC 9110, 9.2.2; RFC 9112, 9.3.1): what was not sent is sent on a new one, and what asks only, as Go's client has it, also where a
    /// connection that was used before ended without a word.
    ///
    /// # Errors
    /// There is no connection to be had, or no answer came.
    pub async fn send_http1(
        &mut self,
        request: impl Fn() -> http::Result<Request<Body>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Failed> {
        let first = request().map_err(Failed::Malformed)?;
        let was_used = self.http1.is_some();
        let only_asks = matches!(*first.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let sender = self.http1(limit).await.map_err(no_connection)?;
        match sender.try_send_request(first).await {
            Ok(answer) => Ok(answer),
            Err(mut failed) => {
                let unsent = failed.take_message().is_some();
                let ended_between = was_used && only_asks && ended_without_a_word(failed.error());
                if !unsent && !ended_between {
                    return Err(Failed::Unanswered(failed.into_error()));
                }
                self.http1 = None;
                let again = request().map_err(Failed::Malformed)?;
                let sender = self.http1(limit).await.map_err(no_connection)?;
                sender.send_request(again).await.map_err(Failed::Unanswered)
            }
        }
    }

    /// The connection for HTTP/2; opened anew where it was lost.
    ///
    /// # Errors
    /// There is none to be had.
    async fn http2(&mut self, limit: Duration) -> Result<&mut http2::SendRequest<Body>, String> {
        // A server that leaves between two calls closes the connection a moment later.
        let usable = match &mut self.http2 {
            Some(sender) => !sender.is_closed() && sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.open(Protocol::H2c, limit).await?;
        }
        self.http2.as_mut().ok_or_else(|| "no connection".to_owned())
    }

    /// Sends what `request` makes over HTTP/2. All of gRPC's clients send it again (RFC 9113, 6.8 and 8.7; gRPC's A6, "transparent retries"): on
    /// a new connection if it was not sent, since the server left before; and once if the server says that it has not begun the call and
    /// never will, because it leaves or refuses the stream.
    ///
    /// # Errors
    /// There is no connection to be had, or no answer came.
    pub async fn send_http2(
        &mut self,
        request: impl Fn() -> http::Result<Request<Body>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Failed> {
        let (mut unsent, mut refused) = (0, false);
        loop {
            let made = request().map_err(Failed::Malformed)?;
            let sender = self.http2(limit).await.map_err(no_connection)?;
            let mut failed = match sender.try_send_request(made).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let was_sent = failed.take_message().is_none();
            let again = if was_sent { !refused && is_not_begun(failed.error()) } else { unsent < MOST_UNSENT };
            if !again {
                return Err(Failed::Unanswered(failed.into_error()));
            }
            if was_sent {
                refused = true;
                // It may count streams that have just ended.
                tokio::time::sleep(BREATH).await;
            } else {
                unsent += 1;
            }
            if !was_sent || was_left(failed.error()) {
                self.http2 = None;
            }
        }
    }

    /// Whether the connection for HTTP/2 is lost.
    pub fn is_lost(&self) -> bool {
        self.http2.as_ref().is_none_or(http2::SendRequest::is_closed)
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    #[test]
    fn a_stream_of_no_messages_ends_with_a_frame_of_its_own() {
        // hyper ends a stream with its headers where a body says that it is at its end, and gives its length where it knows it.
        let none = messages(Bytes::new());
        assert_eq!((none.is_end_stream(), none.size_hint().exact()), (false, None));
        let some = messages(Bytes::from_static(b"\0\0\0\0\0"));
        assert_eq!(some.size_hint().exact(), Some(5));
    }
}
