//! HTTP's part of a declaration: method, path, headers, body.

use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use crate::check::find_beyond_64_bits;
use crate::declare::{Call, Cloud, EventMode, Preset};
use crate::error::Complaint;
use crate::expect::Expect;
use crate::scalar::OneOrMany;
use crate::template::Template;
use crate::wire::{self, Header, Protocol};

/// Characters that no client sends in a request's path or query as they are (RFC 3986): printable ones.
const TO_ENCODE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// Those of IANA's registry that servers of functions have, and PURGE of caches. Any other word is a mistake.
const METHODS: [&str; 21] = [
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "QUERY",
    "PURGE",
    "SEARCH",
    "REPORT",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "LINK",
    "UNLINK",
];

/// `METHOD /path`.
pub(crate) fn split(text: &str) -> Result<(String, String), Complaint> {
    let wrong = |why: String| Err(Complaint::new("http", why).hint("write METHOD /path, as in GET /healthz"));
    let Some((method, path)) = text.trim().split_once(' ') else {
        return wrong(format!("{text:?} is not a request"));
    };
    let path = path.trim();
    if !METHODS.contains(&method) {
        return wrong(format!("{method:?} is not an HTTP method ({}, …)", METHODS[..7].join(", ")));
    }
    if !path.starts_with('/') {
        return wrong(format!("{path:?} is not a path"));
    }
    if path.contains('#') {
        return Err(Complaint::new("http", format!("{path:?} has a fragment, which no client sends"))
            .hint("leave out what begins with #, or write %23"));
    }
    let encoded = utf8_percent_encode(path, TO_ENCODE).to_string();
    if encoded != path {
        return Err(Complaint::new("http", format!("{path:?} has characters that must be percent-encoded"))
            .hint(format!("write {encoded}")));
    }
    Ok((method.to_owned(), path.to_owned()))
}

/// Names and values of headers or metadata.
pub(crate) fn headers<'a>(
    key: &str,
    map: impl Iterator<Item = (&'a String, &'a OneOrMany)>,
    template: &mut Template,
) -> Result<Vec<Header>, Complaint> {
    let mut list = Vec::new();
    for (name, values) in map {
        let lower = name.to_ascii_lowercase();
        let token =
            !lower.is_empty() && lower.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !token {
            return Err(Complaint::new(format!("{key}.{name}"), "not a header name"));
        }
        for value in values.texts() {
            let value = template.text(&value).map_err(|c| c.below(name).below(key))?;
            if value.bytes().any(|b| b < b' ' && b != b'\t' || b == 0x7f) {
                return Err(Complaint::new(format!("{key}.{name}"), "a header cannot have control characters"));
            }
            list.push(Header { name: lower.clone(), value: value.into_bytes() });
        }
    }
    Ok(list)
}

/// Refuses headers that are of one connection, which HTTP/2 has none of (RFC 9113, 8.2.2): sent they would be malformed, and left out in
/// silence the function would not see what was declared.
pub(crate) fn for_http2(key: &str, list: &[Header]) -> Result<(), Complaint> {
    let is_connections = |header: &&Header| match header.name.as_str() {
        "connection" | "proxy-connection" | "keep-alive" | "transfer-encoding" | "upgrade" => true,
        "te" => header.value != b"trailers",
        _ => false,
    };
    match list.iter().find(is_connections) {
        Some(bad) => Err(Complaint::new(format!("{key}.{}", bad.name), "HTTP/2 has no such header")),
        None => Ok(()),
    }
}

/// Refuses a whole number of more than 64 bits with more digits than a double has: some were lost when it was read.
fn keeps_digits(value: &Value) -> Result<(), Complaint> {
    /// Every double can have so many.
    const DIGITS: usize = 15;
    let Some(number) = find_beyond_64_bits(value, &|text| {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        mantissa.trim_start_matches("0.").bytes().filter(u8::is_ascii_digit).count() > DIGITS
    }) else {
        return Ok(());
    };
    let why = format!("{number}: a whole number of more than 64 bits has lost digits");
    Err(Complaint::new("", why).hint("give the whole request as a text: body: '{\"n\": …}'"))
}

/// The call as it is sent.
pub(crate) fn encode(
    call: &Call,
    preset: Option<Preset>,
    folder: &Path,
    template: &mut Template,
) -> Result<wire::Call, Complaint> {
    let text = call.http.as_deref().or_else(|| preset.map(Preset::request)).unwrap_or_default();
    let text = template.text(text).map_err(|c| c.below("http"))?;
    let (method, path) = split(&text)?;
    let name = format!("{method} {path}");
    let mut list = headers("headers", call.headers.iter(), template)?;
    if let Some(bad) =
        list.iter().find(|h| matches!(h.name.as_str(), "content-length" | "transfer-encoding" | "connection"))
    {
        return Err(Complaint::new(format!("headers.{}", bad.name), "the client sets it itself"));
    }
    if call.h2c {
        for_http2("headers", &list)?;
    }
    let given = [call.json.is_some(), call.body.is_some(), call.file.is_some(), call.event.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Complaint::new("", "only one of `json`, `body`, `file` and `event` can be the body"));
    }
    let kind = |list: &mut Vec<Header>, kind: &str| {
        if !list.iter().any(|header| header.name == "content-type") {
            list.push(Header { name: "content-type".into(), value: kind.into() });
        }
    };
    let body = if let Some(value) = &call.json {
        kind(&mut list, "application/json");
        keeps_digits(value).map_err(|c| c.below("json"))?;
        template.value(value).map_err(|c| c.below("json"))?.to_string().into_bytes()
    } else if let Some(text) = &call.body {
        kind(&mut list, "text/plain; charset=utf-8");
        template.text(text).map_err(|c| c.below("body"))?.into_bytes()
    } else if let Some(file) = &call.file {
        kind(&mut list, "application/octet-stream");
        let path = folder.join(file);
        std::fs::read(&path).map_err(|e| Complaint::new("file", format!("cannot read {}: {e}", path.display())))?
    } else if let Some(event) = &call.event {
        cloud_event(event, &mut list, template)?
    } else {
        Vec::new()
    };
    let protocol = if call.h2c { Protocol::H2c } else { Protocol::Http1 };
    let wants_date = call.expect.as_ref().is_some_and(Expect::sees_date);
    let protocol = protocol.into();
    Ok(wire::Call { protocol, method, path, headers: list, body, name, wants_date, ..wire::Call::default() })
}

/// Headers and body of an event (CloudEvents 1.0.2, HTTP protocol binding, 3.1 and 3.2).
fn cloud_event(event: &Cloud, headers: &mut Vec<Header>, template: &mut Template) -> Result<Vec<u8>, Complaint> {
    if event.kind.is_empty() {
        return Err(Complaint::new("event", "an event needs a `type`"));
    }
    // Attributes must not be empty (2.3 of the specification), and a receiver has no rule for one that is there twice.
    let optional = [("source", &event.source), ("id", &event.id), ("subject", &event.subject)];
    if let Some((name, _)) = optional.iter().find(|(_, text)| text.as_ref().is_some_and(String::is_empty)) {
        return Err(Complaint::new(format!("event.{name}"), "an event's attribute cannot be empty: leave it out"));
    }
    let ours = ["content-type", "ce-specversion", "ce-type", "ce-source", "ce-id", "ce-subject", "ce-datacontenttype"];
    if let Some(bad) = headers.iter().find(|header| ours.contains(&header.name.as_str())) {
        return Err(Complaint::new(format!("headers.{}", bad.name), "`event` sets it"));
    }
    let mut fill = |key: &str, text: &str| template.text(text).map_err(|c| c.below(key).below("event"));
    let mut attributes = vec![
        ("specversion", "1.0".to_owned()),
        ("type", fill("type", &event.kind)?),
        ("source", fill("source", event.source.as_deref().unwrap_or("futon"))?),
        ("id", fill("id", event.id.as_deref().unwrap_or("{{n}}"))?),
    ];
    if let Some(subject) = &event.subject {
        attributes.push(("subject", fill("subject", subject)?));
    }
    let data = match &event.data {
        Some(data) => {
            keeps_digits(data).map_err(|c| c.below("data").below("event"))?;
            Some(template.value(data).map_err(|c| c.below("data").below("event"))?)
        }
        None => None,
    };
    Ok(match event.mode {
        EventMode::Binary => {
            headers.extend(
                attributes
                    .iter()
                    .map(|(name, value)| Header { name: format!("ce-{name}"), value: in_header(value).into_bytes() }),
            );
            if data.is_some() {
                headers.push(Header { name: "content-type".into(), value: b"application/json".to_vec() });
            }
            data.map(|data| data.to_string().into_bytes()).unwrap_or_default()
        }
        EventMode::Structured => {
            headers.push(Header {
                name: "content-type".into(),
                value: b"application/cloudevents+json; charset=utf-8".to_vec(),
            });
            let mut object: serde_json::Map<String, Value> =
                attributes.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
            if let Some(data) = data {
                object.insert("datacontenttype".into(), json!("application/json"));
                object.insert("data".into(), data);
            }
            Value::Object(object).to_string().into_bytes()
        }
    })
}

/// An attribute's value as a header (HTTP protocol binding, 3.1.3.2): all but printable ASCII, and space, quote and percent sign, encoded.
fn in_header(value: &str) -> String {
    const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
    utf8_percent_encode(value, ENCODED).to_string()
}
