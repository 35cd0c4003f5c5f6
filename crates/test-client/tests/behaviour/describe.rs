//! `-describe`: what servers say of themselves by reflection and health.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use bytes::Bytes;
use futon_model::{Listener, Offers, Seen, ServiceHealth, Speaks};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;

use crate::{client::command, server::Port};

/// A question and an answer of reflection, and the head of a file, as far as the test needs them.
#[derive(Clone, PartialEq, Eq, Message)]
struct Ask {
    #[prost(string, tag = "3")]
    file: String,
    #[prost(string, tag = "4")]
    symbol: String,
    #[prost(string, tag = "7")]
    services: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Told {
    #[prost(message, optional, tag = "4")]
    files: Option<Texts>,
    #[prost(message, optional, tag = "6")]
    services: Option<Heads>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Texts {
    #[prost(bytes = "vec", repeated, tag = "1")]
    texts: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Heads {
    #[prost(message, repeated, tag = "1")]
    heads: Vec<Head>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Head {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    imports: Vec<String>,
}

fn file(name: &str, imports: &[&str]) -> Vec<u8> {
    Head { name: name.into(), imports: imports.iter().map(|i| (*i).to_owned()).collect() }.encode_to_vec()
}

/// The answer of a server with one service, whose file imports another.
fn answer(ask: &Ask) -> Told {
    let files = |file| Told { files: Some(Texts { texts: vec![file] }), ..Told::default() };
    match (ask.symbol.as_str(), ask.file.as_str()) {
        ("a.A", _) => files(file("a.proto", &["b.proto", "google/protobuf/empty.proto"])),
        (_, "b.proto") => files(file("b.proto", &[])),
        _ if !ask.services.is_empty() => {
            let head = |name: &str| Head { name: name.into(), ..Head::default() };
            Told { services: Some(Heads { heads: vec![head("a.A")] }), ..Told::default() }
        }
        other => panic!("asked for {other:?}"),
    }
}

/// What a server has.
#[derive(Debug, Clone, Copy)]
struct Has {
    reflection: &'static str,
    health: bool,
    grpc: bool,
}

fn reply(has: Has, path: &str, body: &[u8]) -> (Vec<u8>, &'static str) {
    let mut replies = Vec::new();
    let mut rest = body;
    while let Some((head, after)) = rest.split_at_checked(5) {
        let (message, after) = after.split_at(u32::from_be_bytes(head[1..].try_into().unwrap()) as usize);
        rest = after;
        let told = if path == "/grpc.health.v1.Health/Check" {
            // Of the server it is SERVING, of the service NOT_SERVING.
            vec![8, if message.is_empty() { 1 } else { 2 }]
        } else {
            answer(&Ask::decode(message).unwrap()).encode_to_vec()
        };
        replies.push(0);
        replies.extend(u32::try_from(told.len()).unwrap().to_be_bytes());
        replies.extend(told);
    }
    let reflection = format!("/grpc.reflection.{}.ServerReflection/ServerReflectionInfo", has.reflection);
    let known = path == reflection || has.health && path.starts_with("/grpc.health.v1.");
    if known { (replies, "0") } else { (Vec::new(), "12") }
}

async fn answer_one(
    has: Has,
    request: Request<Incoming>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (body, status) = reply(has, &path, &body);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let body = Full::new(Bytes::from(body)).with_trailers(std::future::ready(Some(Ok::<_, Infallible>(trailers))));
    let response = Response::builder();
    let response = if has.grpc { response.header("content-type", "application/grpc") } else { response.status(404) };
    Ok(response.body(body).unwrap())
}

/// Starts a server, which lives as long as the test; its port.
fn serve(has: Has) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service_fn(move |request| answer_one(has, request));
                tokio::task::spawn_local(
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service),
                );
            }
        });
    });
    port
}

/// What the client writes of listeners.
fn described(listeners: Vec<Listener>) -> Vec<Option<Offers>> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("listening.json"), serde_json::to_vec(&Seen { listeners }).unwrap()).unwrap();
    let output = command("-connect-timeout 2s -timeout 2s")
        .arg("-describe")
        .arg(path("listening.json"))
        .arg("-report")
        .arg(path("seen.json"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Seen = serde_json::from_slice(&std::fs::read(path("seen.json")).unwrap()).unwrap();
    seen.listeners.into_iter().map(|listener| listener.grpc).collect()
}

fn listener(port: u16, speaks: Speaks) -> Listener {
    let address = Ipv4Addr::LOCALHOST.into();
    let reached_at = (speaks != Speaks::Loopback).then_some(SocketAddr::new(address, port));
    Listener { address, port, reached_at, speaks, grpc: None }
}

#[test]
fn services_files_and_health_come_from_either_version_of_reflection() {
    for version in ["v1", "v1alpha"] {
        let port = serve(Has { reflection: version, health: true, grpc: true });
        let offers = described(vec![listener(port, Speaks::Http2)]).remove(0).unwrap();
        assert_eq!((offers.is_grpc, offers.reflection.as_deref()), (true, Some(version)), "{offers:?}");
        assert_eq!((offers.services.join(" ").as_str(), offers.files.len()), ("a.A", 2), "{offers:?}");
        let health = |service: &str, status: &str| ServiceHealth { service: service.into(), status: status.into() };
        assert_eq!(offers.health, [health("", "SERVING"), health("a.A", "NOT_SERVING")]);
        assert!(offers.remarks.is_empty(), "{offers:?}");
    }
}

#[test]
fn a_server_without_reflection_or_without_grpc_is_told_as_such() {
    let plain = serve(Has { reflection: "none", health: false, grpc: true });
    let web = serve(Has { reflection: "none", health: false, grpc: false });
    let secured = crate::tls::before(serve(Has { reflection: "v1", health: false, grpc: true }), "own");
    let over = described(vec![listener(secured, Speaks::Tls)]).remove(0).unwrap();
    assert_eq!((over.reflection.as_deref(), over.files.len()), (Some("v1"), 2), "{over:?}");
    let gone = Port::new();
    let all = [(plain, Speaks::Http2), (web, Speaks::Http2), (gone.number, Speaks::Http2), (plain, Speaks::Loopback)];
    let offers = described(all.into_iter().map(|(port, speaks)| listener(port, speaks)).collect());
    let one = |at: usize| offers[at].as_ref().unwrap();
    assert_eq!((one(0).is_grpc, &one(0).reflection, one(0).files.len()), (true, &None, 0));
    assert_eq!(one(0).remarks, ["it has no reflection v1", "it has no reflection v1alpha"]);
    assert_eq!((one(1).is_grpc, &one(1).reflection), (false, &None));
    assert!(!one(2).is_grpc && one(2).remarks[0].starts_with("no gRPC server at "), "{:?}", one(2).remarks);
    assert_eq!(offers[3], None);
}
