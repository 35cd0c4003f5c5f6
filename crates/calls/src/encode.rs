//! From declared calls to bytes.

use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use base64::engine::{DecodePaddingMode, Engine};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};

use crate::declare::Call;
use crate::error::Complaint;
use crate::expect::Expect;
use crate::http;
use crate::schema::{Schema, from_json, missing_required, to_json};
use crate::template::{Template, Values, has_placeholder};
use crate::walk::{is_special, may_be_a_list};
use crate::wire::{self, LARGEST_MESSAGE, Protocol};

/// Values of `-bin` headers, with padding or without (PROTOCOL-HTTP2.md, "Custom-Metadata").
pub(crate) const BINARY: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The requests of a gRPC call in JSON, one for each message.
pub(crate) fn requests(
    call: &Call,
    method: &MethodDescriptor,
    template: &mut Template,
) -> Result<Vec<Value>, Complaint> {
    let data = match &call.data {
        Some(data) => Some(template.value(data).map_err(|c| c.below("data"))?),
        None => None,
    };
    Ok(match (method.is_client_streaming(), data) {
        (true, None) => Vec::new(),
        (true, Some(Value::Array(list))) => list,
        (false, Some(Value::Array(_))) if !may_be_a_list(&method.input()) => {
            return Err(Complaint::new("data", "a list of messages, but the method takes one")
                .hint(format!("{} is not a stream of requests", method.full_name())));
        }
        // A message in which nothing is set, as its kind has it in JSON.
        (_, None) => {
            let empty = DynamicMessage::new(method.input());
            vec![if is_special(&method.input()) { to_json(&empty).unwrap_or_default() } else { json!({}) }]
        }
        (_, Some(one)) => vec![one],
    })
}

/// A gRPC call as it is sent.
pub(crate) fn grpc(call: &Call, schema: &Schema, template: &mut Template) -> Result<wire::Call, Complaint> {
    let name = call.call.as_deref().unwrap_or_default();
    let method = schema.method(name)?;
    let given = [
        ("headers", !call.headers.is_empty(), "metadata"),
        ("json", call.json.is_some(), "data"),
        ("body", call.body.is_some(), "data"),
        ("file", call.file.is_some(), "data"),
        ("event", call.event.is_some(), "data"),
        ("h2c", call.h2c, "nothing: gRPC is HTTP/2"),
    ];
    if let Some((key, _, instead)) = given.iter().find(|(_, given, _)| *given) {
        return Err(Complaint::new(*key, "it is only for HTTP calls").hint(format!("gRPC has {instead}")));
    }
    // Metadata before data: the order in which random numbers are drawn.
    let mut headers = http::headers("metadata", call.metadata.iter(), template)?;
    http::for_http2("metadata", &headers)?;
    for header in &mut headers {
        let reserved = header.name.starts_with("grpc-")
            || matches!(header.name.as_str(), "content-type" | "content-length" | "te" | "host");
        let wrong = |why: &str| Err(Complaint::new(format!("metadata.{}", header.name), why));
        if reserved {
            return wrong("the client sets it itself");
        }
        // PROTOCOL-HTTP2.md, "Custom-Metadata".
        if !header.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b)) {
            return wrong("a key of metadata has letters, digits, and _ - . alone");
        }
        if !header.value.iter().all(|b| (0x20..=0x7e).contains(b)) {
            return wrong(
                "a text in metadata is printable ASCII; other bytes need a key that ends with `-bin`, and base64",
            );
        }
        if header.name.ends_with("-bin") {
            let decoded = BINARY.decode(&header.value);
            let bytes =
                decoded.map_err(|e| Complaint::new(format!("metadata.{}", header.name), format!("no base64: {e}")))?;
            header.value = STANDARD_NO_PAD.encode(bytes).into_bytes();
        }
    }
    let mut body = Vec::new();
    let list = method.is_client_streaming() && matches!(call.data, Some(Value::Array(_)));
    for (at, request) in requests(call, &method, template)?.iter().enumerate() {
        let key = if list { format!("data[{at}]") } else { "data".to_owned() };
        let message = from_json(&method.input(), request).map_err(|c| c.below(&key))?;
        if let Some(field) = missing_required(&message) {
            return Err(Complaint::new(
                key,
                format!("a {} has no {field}, which is required", method.input().full_name()),
            ));
        }
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).ok().filter(|_| message.len() <= LARGEST_MESSAGE);
        let Some(length) = length else {
            return Err(Complaint::new(
                key,
                format!("a message of {} bytes; the limit is {LARGEST_MESSAGE}", message.len()),
            ));
        };
        body.push(0);
        body.extend(length.to_be_bytes());
        body.extend(message);
    }
    Ok(wire::Call {
        protocol: Protocol::Grpc.into(),
        method: "POST".into(),
        path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        headers,
        body,
        deadline_ms: call.deadline.map_or(0, |length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX)),
        cancel_after: call.cancel_after.unwrap_or_default(),
        name: format!("{}/{}", method.parent_service().full_name(), method.name()),
        at: 0,
        wants_date: call.expect.as_ref().is_some_and(Expect::sees_date),
    })
}

/// Whether each of a call's invocations has different bytes.
pub(crate) fn varies(call: &Call) -> bool {
    serde_json::to_value(Call { expect: None, ..call.clone() }).is_ok_and(|value| has_placeholder(&value))
        || call.event.as_ref().is_some_and(|event| event.id.is_none())
}

/// Values of a request.
pub(crate) fn request_values(n: u64, seed: u64) -> Template {
    Template::new(Values { n, seed, random: true })
}
