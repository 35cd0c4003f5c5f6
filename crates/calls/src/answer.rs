//! A reply, decoded, its status and its metadata.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value;

use crate::body::json_body;
use crate::encode::BINARY;
use crate::rules::{Compiled, Wanted};
use crate::schema::missing_required;
use crate::status::Code;
use crate::text::shorten;
use crate::verdict::{CallKind, Reason, SHOWN, reason};
use crate::wire::{Header, Reply, is_grpc};

/// A reply, decoded.
pub(crate) struct Answer {
    pub(crate) status: u32,
    pub(crate) grpc: bool,
    pub(crate) message: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) messages: Vec<DynamicMessage>,
    pub(crate) body: Vec<u8>,
    /// HTTP's body where it is JSON.
    pub(crate) json: Option<Value>,
}

impl Answer {
    pub(crate) fn grpc(reply: &Reply, method: &MethodDescriptor) -> Result<Self, Reason> {
        let headers = texts(&reply.headers);
        let text = |header: &Header| String::from_utf8_lossy(&header.value).into_owned();
        let kind = reply.headers.iter().find(|h| h.name == "content-type").map(text).unwrap_or_default();
        // The status is in the trailers. Only a reply that is nothing but headers has it there (PROTOCOL-HTTP2.md, "Trailers-Only").
        let last = if reply.only_headers { &reply.headers } else { &reply.trailers };
        let speaks_grpc = is_grpc(kind.as_bytes());
        let find = |name: &str| last.iter().find(|h| h.name == name).map(text);
        let statuses = last.iter().filter(|h| h.name == "grpc-status").count();
        let (status, message) = if let Some(local) = reply.local_status.checked_sub(1) {
            (local, reply.words.clone())
        } else if reply.status != 200 && !(speaks_grpc && statuses > 0) {
            // Only where there is no status of gRPC's own: grpc/grpc, doc/http-grpc-status-mapping.md.
            let code = match reply.status {
                400 => 13,
                401 => 16,
                403 => 7,
                404 => 12,
                429 | 502 | 503 | 504 => 14,
                _ => 2,
            };
            (code, format!("HTTP status {}, content type {kind:?}", reply.status))
        } else if !speaks_grpc && !reply.is_bare() {
            return Err(reason(
                CallKind::Protocol,
                format!("the answer is not gRPC: HTTP status 200 with content type {kind:?}"),
            ));
        } else if statuses > 1 {
            return Err(reason(CallKind::Protocol, format!("the reply has grpc-status {statuses} times")));
        } else {
            match find("grpc-status").map(|text| (text.parse::<u32>(), text)) {
                Some((Ok(code), _)) => (code, percent_decoded(&find("grpc-message").unwrap_or_default())),
                Some((Err(_), text)) => {
                    return Err(reason(CallKind::Protocol, format!("grpc-status is {text:?}, not a number")));
                }
                None if reply.trailers.is_empty() && !reply.only_headers => {
                    let words = "the reply ended without trailers, which must have its status (grpc-status)";
                    return Err(reason(CallKind::Protocol, words));
                }
                None => return Err(reason(CallKind::Protocol, "the reply ended without a status (no grpc-status)")),
            }
        };
        let mut messages = Vec::new();
        for (at, bytes) in reply.messages.iter().enumerate() {
            let decoded = DynamicMessage::decode(method.output(), bytes.as_slice()).map_err(|error| {
                let words = format!("message {} is not a {}: {error}", at + 1, method.output().full_name());
                Reason { got: Some(shorten(&format!("{bytes:02x?}"), SHOWN)), ..reason(CallKind::WrongReply, words) }
            })?;
            if let Some(field) = missing_required(&decoded) {
                let words = format!(
                    "message {} is not a {}: it lacks the required field {field}",
                    at + 1,
                    method.output().full_name()
                );
                return Err(Reason {
                    got: Some(shorten(&format!("{bytes:02x?}"), SHOWN)),
                    ..reason(CallKind::WrongReply, words)
                });
            }
            messages.push(decoded);
        }
        if status == 0 && !method.is_server_streaming() && messages.len() != 1 {
            let words = format!("status OK with {} messages instead of one", messages.len());
            return Err(reason(CallKind::Protocol, words));
        }
        Ok(Self {
            status,
            grpc: true,
            message,
            headers,
            // The metadata of a reply that is nothing but headers is its trailers to gRPC's clients. Here it is both.
            trailers: texts(last),
            messages,
            body: Vec::new(),
            json: None,
        })
    }

    pub(crate) fn http(reply: &Reply) -> Self {
        let body = reply.messages.concat();
        Self {
            json: json_body(&body),
            status: reply.status,
            grpc: false,
            message: String::new(),
            headers: texts(&reply.headers),
            trailers: texts(&reply.trailers),
            messages: Vec::new(),
            body,
        }
    }

    pub(crate) fn status_name(&self) -> String {
        if self.grpc { Code(self.status).name() } else { self.status.to_string() }
    }

    pub(crate) fn right_status(&self, compiled: &Compiled) -> Result<(), Reason> {
        let default = if self.grpc { [Wanted::Grpc(0)] } else { [Wanted::Class(2)] };
        let wanted = if compiled.statuses.is_empty() { &default[..] } else { &compiled.statuses };
        let fits = wanted.iter().any(|wanted| match wanted {
            Wanted::Grpc(code) | Wanted::Http(code) => self.status == *code,
            Wanted::Class(class) => self.status / 100 == *class,
        });
        let names: Vec<String> = wanted
            .iter()
            .map(|wanted| match wanted {
                Wanted::Grpc(code) => Code(*code).name(),
                Wanted::Http(code) => code.to_string(),
                Wanted::Class(class) => format!("{class}xx"),
            })
            .collect();
        let said = match (self.grpc, self.message.is_empty(), self.body.is_empty()) {
            (true, false, _) => format!(": {}", shorten(&self.message, SHOWN)),
            (false, _, false) => format!(": {}", shorten(&String::from_utf8_lossy(&self.body), SHOWN)),
            _ => String::new(),
        };
        let status = if self.grpc { "status" } else { "HTTP status" };
        if !fits {
            return Err(Reason {
                kind: CallKind::Status,
                status: Some(self.status_name()),
                expected: Some(names.join(" or ")),
                got: Some(format!("{}{said}", self.status_name())),
                words: format!("expected {status} {}, got {}{said}", names.join(" or "), self.status_name()),
            });
        }
        if let Some(message) = compiled.message.as_ref().filter(|matcher| !matcher.accepts(&self.message)) {
            return Err(Reason {
                kind: CallKind::Status,
                status: Some(self.status_name()),
                expected: Some(message.shown()),
                got: Some(shorten(&self.message, SHOWN)),
                words: format!("expected the message {}, got {:?}", message.shown(), shorten(&self.message, SHOWN)),
            });
        }
        Ok(())
    }

    pub(crate) fn right_headers(&self, compiled: &Compiled) -> Result<(), Reason> {
        for (what, wanted, there) in
            [("header", &compiled.headers, &self.headers), ("trailer", &compiled.trailers, &self.trailers)]
        {
            for (name, matcher) in wanted {
                let values: Vec<&str> = there.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
                // Several of one name mean the same as one with commas between (RFC 9110, 5.3).
                let joined = values.join(", ");
                if values.iter().any(|value| matcher.accepts(value)) || !values.is_empty() && matcher.accepts(&joined) {
                    continue;
                }
                let got = match values.as_slice() {
                    [] => "it is missing".to_owned(),
                    [one] => format!("got {one:?}"),
                    several => format!("got {} of them: {several:?}", several.len()),
                };
                return Err(Reason {
                    expected: Some(matcher.shown()),
                    got: Some(shorten(&joined, SHOWN)),
                    ..reason(
                        CallKind::WrongReply,
                        format!("{what} {name}: expected {}, {}", matcher.shown(), shorten(&got, SHOWN)),
                    )
                });
            }
        }
        Ok(())
    }
}

/// Headers as text; those with `-bin` in plain base64, whatever padding the server wrote, also where it joined several by commas
/// (PROTOCOL-HTTP2.md, "Custom-Metadata").
fn texts(headers: &[Header]) -> Vec<(String, String)> {
    let mut list = Vec::new();
    for Header { name, value } in headers {
        let plain = |part: &[u8]| BINARY.decode(part).ok().map(|bytes| STANDARD.encode(bytes));
        let parts = value.split(|byte| *byte == b',').map(|part| plain(part.trim_ascii()));
        match parts.collect::<Option<Vec<_>>>().filter(|_| name.ends_with("-bin")) {
            Some(parts) => list.extend(parts.into_iter().map(|part| (name.clone(), part))),
            None => list.push((name.clone(), String::from_utf8_lossy(value).into_owned())),
        }
    }
    list
}

/// gRPC's messages are percent-encoded (PROTOCOL-HTTP2.md).
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        // from_str_radix would take a sign, too.
        let digits = after.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
