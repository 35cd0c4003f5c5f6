//! A gRPC call of any kind (grpc/grpc, doc/PROTOCOL-HTTP2.md): all requests are sent, then all replies are read.

use std::{future::poll_fn, pin::pin, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use calls::wire::{Broken, Call, LARGEST_MESSAGE, Reply, is_grpc};
use h2::Reason;
use http::{Request, Version};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout};

use super::{
    link::{self, Link, RECONNECT},
    replies::{broken, headers},
};
use crate::grpc::chain;

/// gRPC's CANCELLED and DEADLINE_EXCEEDED, as a reply has them: the number plus 1.
const CANCELLED: u32 = 1 + 1;
const DEADLINE_EXCEEDED: u32 = 4 + 1;

/// Makes a call; `limit` is the client's own, for calls without a deadline.
pub async fn call(link: &mut Link, call: &Call, limit: Duration) -> Reply {
    let mut reply = Reply::default();
    let deadline = (call.deadline_ms > 0).then(|| Duration::from_millis(call.deadline_ms));
    let patience = deadline.map_or(limit, |deadline| deadline.min(limit));
    let begun = Instant::now();
    match timeout(patience, exchange(link, call, deadline, &mut reply)).await {
        Ok(Ok(())) => match deadline.filter(|deadline| begun.elapsed() >= *deadline && is_answer(call, &reply)) {
            Some(deadline) => Reply { local_status: DEADLINE_EXCEEDED, words: passed(deadline), ..reply },
            None => reply,
        },
        Ok(Err((how, words))) => {
            let words = if how == Broken::Protocol && link.is_lost() {
                return Reply {
                    broken: Broken::Lost.into(),
                    words: format!("the connection was lost: {words}"),
                    ..reply
                };
            } else {
                words
            };
            Reply { broken: how.into(), words, ..reply }
        }
        Err(_elapsed) if deadline.is_some_and(|deadline| deadline <= limit) => {
            Reply { local_status: DEADLINE_EXCEEDED, words: passed(patience), ..reply }
        }
        Err(_elapsed) => broken(Broken::Deadline, format!("no reply within {}", humantime::format_duration(limit))),
    }
}

/// Whether a reply is the server's answer, or its end of the call, which is none to gRPC's clients after the deadline: a server that keeps the
/// deadline, too, cancels the stream then, and may be the first to do so.
fn is_answer(call: &Call, reply: &Reply) -> bool {
    let by_the_client = call.cancel_after > 0 && reply.messages.len() as u64 == call.cancel_after;
    reply.local_status == 0 || reply.local_status == CANCELLED && !by_the_client
}

fn passed(deadline: Duration) -> String {
    format!("the deadline of {} has passed", humantime::format_duration(deadline))
}

type Failed = (Broken, String);

async fn exchange(link: &mut Link, call: &Call, deadline: Option<Duration>, reply: &mut Reply) -> Result<(), Failed> {
    let host = link.host();
    let (scheme, method) = (link.scheme(), &call.path);
    let request = || {
        let mut request = Request::builder()
            .method("POST")
            .version(Version::HTTP_2)
            .uri(format!("{scheme}://{host}{method}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        if !call.headers.iter().any(|header| header.name == "user-agent") {
            request = request.header("user-agent", concat!("futon-test-client/", env!("CARGO_PKG_VERSION")));
        }
        if let Some(deadline) = deadline {
            request = request.header("grpc-timeout", grpc_timeout(deadline));
        }
        for header in &call.headers {
            request = request.header(header.name.as_str(), header.value.as_slice());
        }
        request.body(link::messages(Bytes::from(call.body.clone())))
    };
    let response = match link.send_http2(request, RECONNECT).await {
        Ok(response) => response,
        Err(link::Failed::Unanswered(error)) => return ended(&error, reply),
        Err(failed) => return Err(failed.told(Broken::Protocol)),
    };
    reply.status = u32::from(response.status().as_u16());
    reply.headers = headers(response.headers(), call.wants_date);
    let grpc = response.headers().get("content-type").is_some_and(|kind| is_grpc(kind.as_bytes()));
    let body = response.into_body();
    // True right away only if the headers ended the stream.
    reply.only_headers = body.is_end_stream();
    if grpc { messages(body, call, reply).await } else { plain(body, reply).await }
}

/// What an error of HTTP/2 means for the call: if the server reset its stream, the status that all of gRPC's clients give it
/// (PROTOCOL-HTTP2.md, "Errors").
fn ended(error: &hyper::Error, reply: &mut Reply) -> Result<(), Failed> {
    let Some(reason) = link::reset(error) else { return Err((Broken::Protocol, chain(error))) };
    reply.local_status = 1 + status_of_reset(reason);
    reply.words = format!("the server reset the call: {reason}");
    Ok(())
}

/// gRPC's status for an error code of HTTP/2 (PROTOCOL-HTTP2.md, "Errors").
pub fn status_of_reset(reason: Reason) -> u32 {
    match reason {
        Reason::REFUSED_STREAM => 14,     // UNAVAILABLE
        Reason::CANCEL => 1,              // CANCELLED
        Reason::ENHANCE_YOUR_CALM => 8,   // RESOURCE_EXHAUSTED
        Reason::INADEQUATE_SECURITY => 7, // PERMISSION_DENIED
        _ => 13,                          // INTERNAL
    }
}

/// Reads the messages, then the trailers.
async fn messages(body: Incoming, call: &Call, reply: &mut Reply) -> Result<(), Failed> {
    let mut body = pin!(body);
    let mut buffer = BytesMut::new();
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return ended(&error, reply),
        };
        let frame = match frame.into_data() {
            Ok(data) => {
                buffer.extend_from_slice(&data);
                while let Some(message) = next_message(&mut buffer)? {
                    reply.messages.push(message);
                    if call.cancel_after > 0 && reply.messages.len() as u64 == call.cancel_after {
                        // Dropping the body resets the stream with CANCEL.
                        (reply.local_status, reply.words) = (CANCELLED, "cancelled by the client".into());
                        return Ok(());
                    }
                }
                continue;
            }
            Err(frame) => frame,
        };
        if let Ok(trailers) = frame.into_trailers() {
            reply.trailers = headers(&trailers, true);
        }
    }
    rest(&buffer)
}

/// A whole message at the buffer's front: a flag, four bytes length, the message.
fn next_message(buffer: &mut BytesMut) -> Result<Option<Vec<u8>>, Failed> {
    let Some(&[flag, a, b, c, d]) = buffer.first_chunk() else { return Ok(None) };
    if flag != 0 {
        return Err((
            Broken::Protocol,
            format!("a message has the flag {flag}: compressed, but compression was not requested"),
        ));
    }
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > LARGEST_MESSAGE {
        return Err((Broken::TooLong, format!("a message of {length} bytes; the limit is {LARGEST_MESSAGE}")));
    }
    if buffer.len() < 5 + length {
        return Ok(None);
    }
    buffer.advance(5);
    Ok(Some(buffer.split_to(length).to_vec()))
}

/// The messages of a whole body, and what is wrong with what follows them.
pub fn cut_messages(body: &[u8]) -> (Vec<Vec<u8>>, Option<(Broken, String)>) {
    let mut buffer = BytesMut::from(body);
    let mut messages = Vec::new();
    loop {
        match next_message(&mut buffer) {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, rest(&buffer).err()),
            Err(failed) => return (messages, Some(failed)),
        }
    }
}

fn rest(buffer: &BytesMut) -> Result<(), Failed> {
    if buffer.is_empty() {
        return Ok(());
    }
    Err((Broken::Protocol, format!("the reply ended within a message, after {} bytes of it", buffer.len())))
}

/// The body of what is no gRPC; a page of HTML says more than a status.
async fn plain(body: Incoming, reply: &mut Reply) -> Result<(), Failed> {
    let (body, _) = super::http::read(body).await?;
    reply.words = String::from_utf8_lossy(&body).chars().take(500).collect();
    Ok(())
}

/// At most eight digits and a unit.
pub fn grpc_timeout(deadline: Duration) -> String {
    match deadline.as_millis() {
        millis @ 0..100_000_000 => format!("{millis}m"),
        millis => format!("{}S", (millis / 1000).min(99_999_999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_from_the_stream() {
        let mut buffer = BytesMut::from(&b"\0\0\0\0\x02ab\0\0\0\0\0\0\0"[..]);
        assert_eq!(next_message(&mut buffer).unwrap(), Some(b"ab".to_vec()));
        assert_eq!(next_message(&mut buffer).unwrap(), Some(Vec::new()));
        assert_eq!((next_message(&mut buffer).unwrap(), buffer.len()), (None, 2));
        assert_eq!(next_message(&mut BytesMut::from(&b"\x01\0\0\0\0"[..])).unwrap_err().0, Broken::Protocol);
        let long = next_message(&mut BytesMut::from(&b"\0\x01\0\0\x01"[..])).unwrap_err();
        assert_eq!((long.0, long.1.as_str()), (Broken::TooLong, "a message of 16777217 bytes; the limit is 16777216"));
    }

    #[test]
    fn a_deadline_has_eight_digits() {
        assert_eq!(grpc_timeout(Duration::from_millis(500)), "500m");
        assert_eq!(grpc_timeout(Duration::from_secs(200_000)), "200000S");
    }
}
