use std::time::Duration;

use super::super::flight::{headers, status};
use super::super::pieces::in_pieces;
use super::*;

#[derive(Debug, Default)]
struct Ends(Vec<(Raw, Fate)>);

impl Done for Ends {
    fn done(&mut self, _: &Flight, raw: &Raw, fate: &Fate, _: Instant) {
        self.0.push((raw.clone(), fate.clone()));
    }

    fn again(&mut self, _: &Flight) {}
}

fn call(method: &str) -> Call {
    Call { method: method.into(), path: "/x".into(), body: b"hi".to_vec(), ..Call::default() }
}

fn connection(method: &str) -> Http1 {
    let list = CallList { calls: vec![call(method)], ..CallList::default() };
    let mut connection = Http1::new(Rc::new(requests(&list, "127.0.0.1:80".parse().unwrap())));
    let now = Instant::now();
    let expires = now + Duration::from_secs(1);
    connection.send(0, Flight { place: 0, since: now, expires, own_deadline: false, measured: true });
    connection
}

/// Takes an answer byte by byte: status, body, trailers, how it ended, and whether the connection can be used again.
fn taken(method: &str, answer: &str) -> Result<(u32, String, usize, Fate, bool), String> {
    let mut connection = connection(method);
    let mut ends = Ends::default();
    in_pieces(answer.as_bytes(), 1, |inbox| connection.receive(inbox, Instant::now(), &mut ends))?;
    if ends.0.is_empty() {
        connection.closed(Instant::now(), &mut ends);
    }
    let (raw, fate) = ends.0.pop().unwrap();
    let body = String::from_utf8(raw.body).unwrap();
    Ok((status(&raw.head), body, headers(&raw.tail).count(), fate, connection.has_room()))
}

#[test]
fn a_request_is_written_once() {
    let text = String::from_utf8(connection("POST").out).unwrap();
    assert!(text.starts_with("POST /x HTTP/1.1\r\nhost: 127.0.0.1:80\r\n"), "{text}");
    assert!(text.contains("\r\ncontent-length: 2\r\n") && text.ends_with("\r\n\r\nhi"), "{text}");
}

#[test]
fn replies_of_all_lengths_are_whole() {
    for (method, answer, wanted) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, "hi", 0, true)),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", (200, "", 0, false)),
        ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\ncontent-length:3\r\n\r\nabc", (404, "abc", 0, true)),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
            (200, "abcd", 0, true),
        ),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", (200, "", 1, true)),
        ("GET", "HTTP/1.0 200 OK\r\n\r\nuntil closed", (200, "until closed", 0, false)),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", (200, "", 0, true)),
        ("GET", "HTTP/1.1 204 None\r\n\r\n", (204, "", 0, true)),
    ] {
        let (status, body, trailers, fate, again) = taken(method, answer).unwrap();
        assert_eq!(((status, body.as_str(), trailers, again), fate), (wanted, Fate::Whole), "{answer}");
    }
}

#[test]
fn a_reply_without_a_length_ends_with_a_close_and_not_with_a_reset() {
    let (mut connection, mut ends) = (connection("GET"), Ends::default());
    in_pieces(b"HTTP/1.0 200 OK\r\n\r\nhalf", 64, |inbox| connection.receive(inbox, Instant::now(), &mut ends))
        .unwrap();
    connection.lost("reset by peer", Instant::now(), &mut ends);
    assert_eq!(ends.0[0].1, Fate::Broken(Broken::Lost, "the connection was lost: reset by peer".into()));
}

#[test]
fn what_is_cut_off_or_no_http_is_said() {
    for answer in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let fate = taken("GET", answer).unwrap().3;
        assert_eq!(
            fate,
            Fate::Broken(Broken::Lost, "the connection was lost: the server closed it".into()),
            "{answer}"
        );
    }
    for (answer, words) in [
        ("SSH-2.0-x\r\n", "does not speak HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "not a number"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "without a size"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", "longer than its size"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "without a request"),
    ] {
        let error = taken("GET", answer).unwrap_err();
        assert!(error.contains(words), "{answer}: {error}");
    }
}

#[test]
fn a_call_that_is_given_up_ends_its_connection() {
    let mut connection = connection("GET");
    let mut ends = Ends::default();
    connection.expire(Instant::now(), &mut ends);
    assert!(ends.0.is_empty());
    connection.expire(Instant::now() + Duration::from_secs(2), &mut ends);
    assert!(matches!(ends.0[0].1, Fate::Broken(Broken::Deadline, _)) && !connection.has_room());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 2000, failure_persistence: None, ..Default::default() })]

    /// Whatever a server sends, in whatever pieces: the call ends once at most, and the pieces make no difference.
    #[test]
    fn no_bytes_of_a_server_confuse_a_connection(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n", "HTTP/1.0 204 No\r\n", "content-length: 2\r\n", "content-length: 99999999999999999999\r\n",
            "transfer-encoding: chunked\r\n", "connection: close\r\n", "\r\n", "\n", "hi", "2\r\nhi\r\n", "0\r\n\r\n", "0\r\nx: y\r\n\r\n",
            "fffffffffffffffff\r\n", ": \r\n", "\0", "\r", "2;a=b\r\n",
        ]), 0..12),
        changed in proptest::option::of((0_usize..200, proptest::prelude::any::<u8>())),
        piece in 1_usize..20,
        method in proptest::sample::select(vec!["GET", "HEAD", "POST"]),
    ) {
        let mut bytes = words.concat().into_bytes();
        if let Some((place, value)) = changed && let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        let heard = |piece: usize| {
            let mut connection = connection(method);
            let mut ends = Ends::default();
            let said = in_pieces(&bytes, piece, |inbox| connection.receive(inbox, Instant::now(), &mut ends));
            (connection.in_flight(), ends.0, said)
        };
        let (under_way, ends, said) = heard(bytes.len().max(1));
        assert!(ends.len() <= 1 && (said.is_err() || ends.len() + under_way == 1), "{ends:?} {under_way} {said:?}");
        let (in_pieces, ends_in_pieces, said_in_pieces) = heard(piece);
        assert_eq!((under_way, ends, said.is_err()), (in_pieces, ends_in_pieces, said_in_pieces.is_err()));
    }
}
