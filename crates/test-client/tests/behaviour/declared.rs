//! Declared calls: sent by the real binary, judged as the host does.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use calls::{Declaration, Judged, Options, Sheet, Source, wire::ReplyList};
use tonic::Status;

use crate::{
    client::{command, fibonacci},
    server::{Deed, Port, Server},
};

const SCHEMA: &str = "syntax = \"proto3\"; package fibonacci; message Text { string text = 1; } \
                      service Greeter { rpc SayHello(Text) returns (Text); rpc Many(Text) returns (stream Text); }";

/// Sends the calls of a YAML list to a port: what the host makes of the replies, and the exit status.
pub fn sent(port: u16, calls: &str, flags: &str) -> (Judged, ReplyList, i32) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.proto"), SCHEMA).unwrap();
    let text = format!("schema: {{proto: [f.proto]}}\ncalls: {calls}\n");
    let declaration = Declaration::parse(&text, &Source::default()).unwrap();
    let options = Options { warmup: 1, ..Options::default() };
    let sheet = Sheet::resolve(declaration, folder.path(), &options).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("calls.bin"), sheet.encode().unwrap().to_bytes()).unwrap();
    let output = command("-connect-timeout 2s -timeout 1s")
        .args(["-port", &port.to_string(), "-calls"])
        .arg(path("calls.bin"))
        .arg("-report")
        .arg(path("replies.bin"))
        .args(flags.split_whitespace())
        .output()
        .unwrap();
    let replies = ReplyList::from_bytes(&std::fs::read(path("replies.bin")).unwrap()).unwrap();
    (sheet.judge(&replies), replies, output.status.code().unwrap())
}

/// Of each measured call why its reply is wrong.
pub fn why(judged: &Judged) -> Vec<String> {
    judged.measured.iter().map(|v| v.reason.as_ref().map_or_else(|| "right".into(), |r| r.words.clone())).collect()
}

#[test]
fn right_replies_are_right_and_equal_ones_come_back_once() {
    let server = Server::start(fibonacci);
    let calls = "[{call: fibonacci.Greeter/SayHello, times: 5, data: {text: '5'}, expect: {oracle: fibonacci-go, headers: {content-type: /grpc/}}}]";
    let (judged, replies, code) = sent(server.port, calls, "");
    assert_eq!(why(&judged), ["right"; 5]);
    assert_eq!((judged.warmup.len(), judged.warmup[0].reason.is_none(), code), (1, true, 0));
    assert_eq!((replies.replies.len(), replies.sequence.len(), server.calls()), (1, 5, 6));
    assert!(replies.connect_ns > 0 && judged.measured.iter().all(|v| v.took_ns > 0));
}

#[test]
fn functions_take_turns_each_at_its_own_address() {
    let first = Server::start(|_, _, _| Deed::Reply("first".into()));
    let second = Server::start(|_, _, _| Deed::Reply("second".into()));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.proto"), SCHEMA).unwrap();
    let member = |function: &str| {
        let text = format!(
            "schema: {{proto: [f.proto]}}\ncalls: [{{call: fibonacci.Greeter/SayHello, expect: {{text: {function}}}}}]\n"
        );
        let declaration = Declaration::parse(&text, &Source::default()).unwrap();
        let options = Options { invocations: Some(2), warmup: 1, ..Options::default() };
        calls::Member {
            function: function.into(),
            sheet: Sheet::resolve(declaration, folder.path(), &options).unwrap(),
        }
    };
    let sheet = Sheet::in_turn(vec![member("first"), member("second")]).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("calls.bin"), sheet.encode().unwrap().to_bytes()).unwrap();
    let run = |flags: &[String]| {
        let mut client = command("-connect-timeout 2s -timeout 1s");
        client.args(["-port", &first.port.to_string(), "-calls"]).arg(path("calls.bin"));
        let output = client.arg("-report").arg(path("replies.bin")).args(flags).output().unwrap();
        let replies = ReplyList::from_bytes(&std::fs::read(path("replies.bin")).unwrap()).unwrap();
        (sheet.judge(&replies), replies.not_connected, output.status.code())
    };
    let (judged, _, code) = run(&["-beside".into(), format!("127.0.0.1:{}", second.port)]);
    assert_eq!((why(&judged), judged.warmup.len(), code), (vec!["right".to_owned(); 4], 2, Some(0)));
    assert_eq!((first.calls(), second.calls()), (3, 3));
    // An address that is missing is no call to another function.
    let (judged, why, code) = run(&[]);
    assert_eq!((judged.measured.len(), code), (0, Some(3)));
    assert!(
        why.starts_with("fibonacci.Greeter/SayHello") || why.contains("second: fibonacci.Greeter/SayHello"),
        "{why}"
    );
    assert_eq!((first.calls(), second.calls()), (3, 3));
}

#[test]
fn a_wrong_reply_and_a_status_are_the_hosts_to_judge() {
    let server = Server::start(|_, call, _| match call {
        1 | 2 => Deed::Reply("right".into()),
        3 => Deed::Reply("wrong".into()),
        _ => Deed::Fail(Status::not_found("no such hötel")),
    });
    let calls = "[{call: fibonacci.Greeter/SayHello, times: 3, expect: {text: right}}, \
                 {call: fibonacci.Greeter/SayHello, expect: {status: {code: NOT_FOUND, message: no such hötel}}}]";
    let (judged, _, code) = sent(server.port, calls, "");
    assert_eq!(code, 0, "the client has no opinion");
    let why = why(&judged);
    assert_eq!((why[0].as_str(), why[3].as_str()), ("right", "right"));
    assert!(why[1].contains("expected \"right\", got \"wrong\""), "{why:?}");
    assert!(why[2].contains("expected status OK, got NOT_FOUND: no such hötel"), "{why:?}");
}

#[test]
fn a_call_that_hangs_ends_the_run_unless_its_deadline_was_declared() {
    let server = Server::start(|_, call, _| if call <= 2 { Deed::Reply(String::new()) } else { Deed::Hang });
    let calls = "[{call: fibonacci.Greeter/SayHello, expect: {status: OK}}, \
                 {call: fibonacci.Greeter/SayHello, deadline: 100ms, expect: {status: DEADLINE_EXCEEDED}}, \
                 {call: fibonacci.Greeter/SayHello, times: 2, expect: {status: OK}}]";
    let (judged, _, code) = sent(server.port, calls, "");
    let why = why(&judged);
    assert_eq!(why.iter().map(String::as_str).collect::<Vec<_>>(), ["right", "right", "no reply within 1s"]);
    assert_eq!(code, 4);
}

#[test]
fn no_server_is_said_and_nothing_is_called() {
    let port = Port::new();
    let calls = "[{call: fibonacci.Greeter/SayHello, expect: {status: OK}}]";
    let (judged, replies, code) = sent(port.number, calls, "-connect-timeout 200ms");
    assert_eq!((judged.measured.len(), code), (0, 3));
    assert!(replies.not_connected.contains("no gRPC server"), "{}", replies.not_connected);
}

#[test]
fn a_lost_connection_is_said() {
    let server = Server::start(|_, call, _| if call == 1 { Deed::Reply(String::new()) } else { Deed::Die });
    let calls = "[{call: fibonacci.Greeter/SayHello, times: 2, expect: {status: OK}}]";
    let (judged, ..) = sent(server.port, calls, "");
    assert!(
        judged.measured[0].reason.as_ref().unwrap().words.contains("the connection was lost"),
        "{:?}",
        why(&judged)
    );
}

/// A server of HTTP/1.1 that answers each connection's first request with `answer` and closes it; what it was sent.
pub fn http(answer: &'static str, connections: usize) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut text, mut buffer) = (String::new(), [0; 4096]);
            while !text.contains("\r\n\r\n") || text.contains("content-length: 7") && !text.ends_with('}') {
                let got = stream.read(&mut buffer).unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..got]));
                if got == 0 {
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).unwrap();
            seen.push(text);
        }
        seen
    });
    (port, served)
}

#[test]
fn http_calls_are_sent_as_declared_over_connections_that_servers_close() {
    let answer = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{\"a\": 1}";
    let (port, served) = http(answer, 3);
    let calls = "[{http: POST /fn?x=1, times: 2, json: {a: 1}, headers: {X-Id: '{{n}}'}, expect: {status: 201, equals: {a: 1}}}]";
    let (judged, _, code) = sent(port, calls, "");
    assert_eq!((why(&judged), code), (vec!["right".to_owned(); 2], 0));
    let seen = served.join().unwrap();
    assert!(seen[2].starts_with("POST /fn?x=1 HTTP/1.1\r\n") && seen[2].ends_with("\r\n\r\n{\"a\":1}"), "{seen:?}");
    assert!(seen[2].contains("x-id: 1\r\n") && seen[2].contains("content-type: application/json\r\n"), "{seen:?}");
}

#[test]
fn a_server_that_closes_connections_between_calls_without_a_word_is_called_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut seen) = (stream.unwrap(), Vec::new());
            count.fetch_add(1, Relaxed);
            let mut byte = [0];
            while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|got| got == 1) {
                seen.push(byte[0]);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let calls = "[{http: GET /, times: 20, expect: {text: ok}}]";
    assert_eq!(why(&sent(port, calls, "").0), ["right"; 20]);
    // One that is only looked at by the client, and one for each call.
    assert!((21..=22).contains(&connections.load(Relaxed)), "{connections:?}");
}

#[test]
fn what_is_no_grpc_is_named() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let (port, _served) = http(page, 20);
    let calls = "[{call: fibonacci.Greeter/SayHello, expect: {status: OK}}]";
    let (_, replies, code) = sent(port, calls, "-connect-timeout 100ms");
    assert!(replies.not_connected.contains("does not speak HTTP/2"), "{}", replies.not_connected);
    assert_eq!(code, 3);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// A server of HTTP/2 that says to each stream what `told` has for its number among all, over as many connections as it takes; how many
/// streams there were.
fn frames(told: impl Fn(usize, u32) -> Vec<u8> + Send + 'static) -> (u16, std::sync::Arc<AtomicUsize>) {
    const PREFACE: usize = 24;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let streams = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&streams);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(&frame(4, 0, 0, &[])).unwrap();
            if stream.read_exact(&mut [0; PREFACE]).is_err() {
                continue;
            }
            let mut head = [0; 9];
            while stream.read_exact(&mut head).is_ok() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                stream.read_exact(&mut vec![0; length]).unwrap();
                // SETTINGS want an answer; a request is whole with END_STREAM, here on its data.
                let answer = match (head[3], head[4] & 1) {
                    (4, 0) => frame(4, 1, 0, &[]),
                    (0 | 1, 1) => {
                        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                        told(count.fetch_add(1, Relaxed), id)
                    }
                    _ => continue,
                };
                if stream.write_all(&answer).is_err() {
                    break;
                }
            }
        }
    });
    (port, streams)
}

/// `:status: 200`, the content type, and more headers, none of them in HPACK's tables.
fn block(more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x88];
    for (name, value) in [("content-type", "application/grpc")].iter().chain(more) {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.bytes());
        }
    }
    block
}

const NOT_FOUND: &str =
    "[{call: fibonacci.Greeter/SayHello, times: 2, expect: {status: NOT_FOUND, trailers: {x-a: '1'}}}]";

#[test]
fn a_status_in_headers_counts_only_if_nothing_follows_them() {
    let failure = &[("grpc-status", "5"), ("x-a", "1")];
    let (port, _) = frames(|_, id| frame(1, 4 | 1, id, &block(failure)));
    assert_eq!(why(&sent(port, NOT_FOUND, "").0), ["right"; 2]);
    // The same bytes, and then an empty frame of data that ends the stream.
    let (port, _) = frames(|_, id| [frame(1, 4, id, &block(failure)), frame(0, 1, id, &[])].concat());
    assert!(why(&sent(port, NOT_FOUND, "").0)[0].contains("ended without trailers"));
}

#[test]
fn a_call_that_the_server_has_not_begun_is_sent_again() {
    let failure = &[("grpc-status", "5"), ("x-a", "1")];
    // GOAWAY: it has begun no stream. RST_STREAM: it refuses this one.
    let leave: fn(u32) -> Vec<u8> = |_| frame(7, 0, 0, &[0; 8]);
    let refuse: fn(u32) -> Vec<u8> = |id| frame(3, 0, id, &[0, 0, 0, 7]);
    for not_begun in [leave, refuse] {
        let (port, streams) =
            frames(move |at, id| if at == 1 { not_begun(id) } else { frame(1, 4 | 1, id, &block(failure)) });
        assert_eq!(why(&sent(port, NOT_FOUND, "").0), ["right"; 2]);
        // A warm-up call, two measured ones, and one of them twice.
        assert_eq!(streams.load(Relaxed), 4);
    }
    // Who refuses again is not asked a third time; a call that was begun is not sent again.
    let (port, streams) = frames(move |_, id| refuse(id));
    let (judged, ..) = sent(port, NOT_FOUND, "");
    assert!(why(&judged)[0].contains("refused"), "{:?}", why(&judged));
    assert_eq!(streams.load(Relaxed), 6);
    let (port, streams) = frames(|_, id| frame(3, 0, id, &[0, 0, 0, 2]));
    sent(port, NOT_FOUND, "");
    assert_eq!(streams.load(Relaxed), 3);
}
