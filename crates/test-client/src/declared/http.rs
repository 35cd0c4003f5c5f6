//! An HTTP call, over HTTP/1.1 or HTTP/2 without TLS.

use std::{future::poll_fn, pin::pin, time::Duration};

use bytes::Bytes;
use calls::wire::{Broken, Call, Header, LARGEST_MESSAGE, Protocol, Reply};
use http::{Request, Version};
use http_body_util::{Either, Full};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use super::{
    link::{Link, RECONNECT},
    replies::{broken, headers},
};
use crate::grpc::chain;

/// Makes a call.
pub async fn call(link: &mut Link, call: &Call, limit: Duration) -> Reply {
    match timeout(limit, exchange(link, call)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err((how, words))) => broken(how, words),
        Err(_elapsed) => broken(Broken::Deadline, format!("no reply within {}", humantime::format_duration(limit))),
    }
}

type Failed = (Broken, String);

async fn exchange(link: &mut Link, call: &Call) -> Result<Reply, Failed> {
    let own = link.host();
    let http2 = call.protocol() == Protocol::H2c;
    let scheme = link.scheme();
    let header = |name: &str| call.headers.iter().find(|header| header.name == name);
    let request = || {
        let mut request = Request::builder().method(call.method.as_str());
        request = if http2 {
            // In HTTP/2 the host is a part of the request's address.
            let host = header("host").map(|host| String::from_utf8_lossy(&host.value).into_owned());
            let authority = host.unwrap_or_else(|| own.clone());
            request.version(Version::HTTP_2).uri(format!("{scheme}://{authority}{}", call.path))
        } else {
            request.version(Version::HTTP_11).uri(call.path.as_str())
        };
        if !http2 && header("host").is_none() {
            request = request.header("host", own.as_str());
        }
        if header("user-agent").is_none() {
            request = request.header("user-agent", concat!("futon-test-client/", env!("CARGO_PKG_VERSION")));
        }
        if header("accept").is_none() {
            request = request.header("accept", "*/*");
        }
        for header in call.headers.iter().filter(|header| !http2 || header.name != "host") {
            request = request.header(header.name.as_str(), header.value.as_slice());
        }
        request.body(Either::Left(Full::new(Bytes::from(call.body.clone()))))
    };
    let answer =
        if http2 { link.send_http2(request, RECONNECT).await } else { link.send_http1(request, RECONNECT).await };
    let response = answer.map_err(|failed| failed.told(Broken::Lost))?;
    let status = u32::from(response.status().as_u16());
    let leading = headers(response.headers(), call.wants_date);
    let (body, trailers) = read(response.into_body()).await?;
    Ok(Reply { status, headers: leading, messages: vec![body], trailers, ..Reply::default() })
}

/// Reads a body and its trailers.
pub(super) async fn read(body: Incoming) -> Result<(Vec<u8>, Vec<Header>), Failed> {
    let mut body = pin!(body);
    let (mut bytes, mut trailers) = (Vec::new(), Vec::new());
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        match frame.map_err(|error| (Broken::Lost, chain(&error)))?.into_data() {
            Ok(data) => {
                bytes.extend_from_slice(&data);
                if bytes.len() > LARGEST_MESSAGE {
                    return Err((Broken::TooLong, format!("a body of more than {LARGEST_MESSAGE} bytes, the limit")));
                }
            }
            Err(frame) => {
                if let Ok(map) = frame.into_trailers() {
                    trailers = headers(&map, true);
                }
            }
        }
    }
    Ok((bytes, trailers))
}
