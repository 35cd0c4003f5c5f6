use std::time::Duration;

use calls::wire::{Call, CallList};

use super::*;
use crate::load::flight::{Raw, headers};
use crate::load::h2::frame::{Frame, HEADER};
use crate::load::pieces::in_pieces;

/// What became of calls, in order.
#[derive(Debug, Default)]
struct Ends {
    done: Vec<(u32, Raw, Fate)>,
    again: Vec<u32>,
}

impl Done for Ends {
    fn done(&mut self, flight: &Flight, raw: &Raw, fate: &Fate, _: Instant) {
        self.done.push((flight.place, raw.clone(), fate.clone()));
    }

    fn again(&mut self, flight: &Flight) {
        self.again.push(flight.place);
    }
}

fn connection(call: Call) -> Http2 {
    let list = CallList { calls: vec![call], ..CallList::default() };
    Http2::new(Rc::new(Requests::new(&list, "127.0.0.1:1".parse().unwrap())))
}

fn grpc(body: Vec<u8>) -> Call {
    Call { method: "POST".into(), path: "/a.B/C".into(), body, ..Call::default() }
}

fn flight(place: u32) -> Flight {
    let now = Instant::now();
    Flight { place, since: now, expires: now + Duration::from_secs(1), own_deadline: false, measured: true }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(&mut bytes, payload.len(), kind, flags, stream);
    bytes.extend_from_slice(payload);
    bytes
}

fn settings_of(list: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    settings(&mut bytes, list);
    bytes
}

/// The frames that are to be sent, without the preface.
fn sent(connection: &mut Http2) -> Vec<(Frame, Vec<u8>)> {
    let out = std::mem::take(&mut connection.out);
    let mut rest = out.strip_prefix(PREFACE).unwrap_or(&out);
    let mut frames = Vec::new();
    while let Some(frame) = Frame::read(rest) {
        frames.push((frame, rest[HEADER..HEADER + frame.length].to_vec()));
        rest = &rest[HEADER + frame.length..];
    }
    assert!(rest.is_empty());
    frames
}

/// :status 200 and a content type; grpc-status 0.
const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";
const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";

fn reply(stream: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = frame(kind::HEADERS, flag::END_HEADERS, stream, HEAD);
    bytes.extend(frame(kind::DATA, 0, stream, body));
    bytes.extend(frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, TRAILERS));
    bytes
}

/// A connection whose server has spoken.
fn up(call: Call, list: &[(u16, u32)]) -> Http2 {
    let mut connection = connection(call);
    assert!(!connection.has_room());
    connection.receive(&settings_of(list), Instant::now(), &mut Ends::default()).unwrap();
    assert!(connection.has_room());
    sent(&mut connection);
    connection
}

#[test]
fn calls_are_sent_and_their_replies_found_in_any_order_and_in_any_pieces() {
    let mut connection = up(grpc(b"\0\0\0\0\x01x".to_vec()), &[]);
    for place in 0..3 {
        connection.send(0, flight(place));
    }
    let frames = sent(&mut connection);
    let kinds: Vec<(u8, u8, u32)> = frames.iter().map(|(f, _)| (f.kind, f.flags, f.stream)).collect();
    assert_eq!(kinds, [(1, 4, 1), (0, 1, 1), (1, 4, 3), (0, 1, 3), (1, 4, 5), (0, 1, 5)]);
    assert!(frames[2].1.len() < 10 && frames[0].1.len() > 60, "later requests name what the first said");
    let mut bytes = reply(5, b"c");
    bytes.extend(reply(1, b"a"));
    bytes.extend(reply(3, b"b"));
    let mut ends = Ends::default();
    in_pieces(&bytes, 1, |inbox| connection.receive(inbox, Instant::now(), &mut ends)).unwrap();
    let got: Vec<(u32, &[u8])> = ends.done.iter().map(|(place, raw, _)| (*place, &raw.body[..])).collect();
    assert_eq!(got, [(2, &b"c"[..]), (0, b"a"), (1, b"b")]);
    assert!(ends.done.iter().all(|(.., fate)| *fate == Fate::Whole) && connection.in_flight() == 0);
    let (_, raw, _) = &ends.done[0];
    assert_eq!(headers(&raw.head).map(|(name, _)| name).collect::<Vec<_>>(), [&b":status"[..], b"content-type"]);
    assert_eq!(headers(&raw.tail).collect::<Vec<_>>(), [(&b"grpc-status"[..], &b"0"[..])]);
}

#[test]
fn bodies_wait_for_windows_and_are_cut_into_frames() {
    let mut connection = up(grpc(vec![7; 100_001]), &[(setting::INITIAL_WINDOW_SIZE, 20_000)]);
    let mut ends = Ends::default();
    connection.send(0, flight(0));
    let lengths = |frames: Vec<(Frame, Vec<u8>)>| {
        let data = frames.into_iter().filter(|(f, _)| f.kind == kind::DATA);
        data.map(|(f, _)| (f.length, f.has(flag::END_STREAM))).collect::<Vec<_>>()
    };
    assert_eq!(lengths(sent(&mut connection)), [(16_384, false), (3_616, false)]);
    let mut give = |connection: &mut Http2, stream, more: u32| {
        let bytes = frame(kind::WINDOW_UPDATE, 0, stream, &more.to_be_bytes());
        connection.receive(&bytes, Instant::now(), &mut ends).unwrap();
        lengths(sent(connection))
    };
    // The stream may, the connection's 65,535 bytes end first.
    assert_eq!(give(&mut connection, 1, 70_000), [(16_384, false), (16_384, false), (12_767, false)]);
    assert_eq!(give(&mut connection, 0, 1000), [(1000, false)]);
    assert_eq!(give(&mut connection, 0, 100_000), [(16_384, false), (7_081, false)]);
    // A larger window of all streams counts for those that are open.
    let bytes = settings_of(&[(setting::INITIAL_WINDOW_SIZE, 30_000)]);
    connection.receive(&bytes, Instant::now(), &mut ends).unwrap();
    assert_eq!(lengths(sent(&mut connection)), [(10_000, false)]);
    // The server does not want the rest.
    connection.receive(&reply(1, b"enough"), Instant::now(), &mut ends).unwrap();
    let frames = sent(&mut connection);
    assert_eq!((frames[0].0.kind, frames[0].1.clone()), (kind::RST_STREAM, error::CANCEL.to_be_bytes().to_vec()));
    assert_eq!(ends.done[0].2, Fate::Whole);
}

#[test]
fn pings_and_settings_are_answered_and_padding_is_not_data() {
    let mut connection = up(grpc(vec![1]), &[(setting::MAX_CONCURRENT_STREAMS, 1), (setting::HEADER_TABLE_SIZE, 0)]);
    let mut ends = Ends::default();
    connection.receive(&frame(kind::PING, 0, 0, b"12345678"), Instant::now(), &mut ends).unwrap();
    connection.receive(&frame(0xbe, 0xff, 9, b"whatever"), Instant::now(), &mut ends).unwrap();
    assert_eq!(sent(&mut connection)[0], (Frame { length: 8, kind: 6, flags: 1, stream: 0 }, b"12345678".to_vec()));
    connection.send(0, flight(0));
    assert!(!connection.has_room(), "one stream is all the server takes");
    assert_eq!(sent(&mut connection)[0].1[0], 0x20, "the table is said to be empty, as the server wants it");
    let mut bytes = frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::PADDED | flag::PRIORITY,
        1,
        &[&[2, 0, 0, 0, 0, 9][..], HEAD, &[0, 0]].concat(),
    );
    bytes.extend(frame(kind::DATA, flag::PADDED, 1, b"\x03ab\0\0\0"));
    // Trailers in three parts.
    bytes.extend(frame(kind::HEADERS, flag::END_STREAM, 1, &TRAILERS[..3]));
    bytes.extend(frame(kind::CONTINUATION, 0, 1, &TRAILERS[3..5]));
    bytes.extend(frame(kind::CONTINUATION, flag::END_HEADERS, 1, &TRAILERS[5..]));
    connection.receive(&bytes, Instant::now(), &mut ends).unwrap();
    assert_eq!((ends.done[0].1.body.as_slice(), &ends.done[0].2), (&b"ab"[..], &Fate::Whole));
    assert!(connection.has_room());
}

#[test]
fn a_call_may_be_reset_given_up_or_cancelled() {
    let now = Instant::now();
    let mut connection = up(Call { cancel_after: 2, ..grpc(vec![1]) }, &[]);
    let mut ends = Ends::default();
    connection.send(0, flight(0));
    connection.receive(&frame(kind::RST_STREAM, 0, 1, &2_u32.to_be_bytes()), now, &mut ends).unwrap();
    assert_eq!(ends.done[0].2, Fate::Local(13, "the server reset the call"));
    connection.send(0, flight(1));
    connection.expire(now, &mut ends);
    assert_eq!(ends.done.len(), 1, "its time is not over");
    connection.expire(now + Duration::from_secs(2), &mut ends);
    assert!(matches!(ends.done[1].2, Fate::Broken(Broken::Deadline, _)));
    // What comes late for it is nobody's, but the decoder's table goes on.
    sent(&mut connection);
    let indexed = b"\x88\x40\x0bgrpc-status\x015";
    connection
        .receive(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 3, indexed), now, &mut ends)
        .unwrap();
    connection.send(0, flight(2));
    let mut bytes = frame(kind::HEADERS, flag::END_HEADERS, 5, b"\x88\xbe");
    bytes.extend(frame(kind::DATA, 0, 5, b"\0\0\0\0\x01a\0\0\0\0\x01b\0\0"));
    connection.receive(&bytes, now, &mut ends).unwrap();
    let (place, raw, fate) = ends.done.last().unwrap();
    assert_eq!(
        (*place, raw.body.as_slice(), fate),
        (2, &b"\0\0\0\0\x01a\0\0\0\0\x01b"[..], &Fate::Local(1, "cancelled by the client"))
    );
    assert_eq!(headers(&raw.head).last().unwrap(), (&b"grpc-status"[..], &b"5"[..]));
    assert_eq!(sent(&mut connection).last().unwrap().0.kind, kind::RST_STREAM);
}

#[test]
fn what_no_client_of_http_2_takes_is_broken() {
    let now = Instant::now();
    let mut connection = up(grpc(vec![1]), &[]);
    let mut ends = Ends::default();
    connection.send(0, flight(0));
    let capitals = [HEAD, b"\x00\x01X\x011"].concat();
    connection.receive(&frame(kind::HEADERS, flag::END_HEADERS, 1, &capitals), now, &mut ends).unwrap();
    connection.send(0, flight(1));
    let mut bytes = frame(kind::HEADERS, flag::END_HEADERS, 3, HEAD);
    bytes.extend(frame(kind::HEADERS, flag::END_HEADERS, 3, TRAILERS));
    bytes.extend(frame(kind::DATA, flag::END_STREAM, 3, b""));
    connection.receive(&bytes, now, &mut ends).unwrap();
    for ((_, _, fate), said) in ends.done.iter().zip(["capitals", "in the middle of the reply"]) {
        assert!(matches!(fate, Fate::Broken(Broken::Protocol, words) if words.contains(said)), "{fate:?}");
    }
    // The connection is as good as before.
    connection.send(0, flight(2));
    connection.receive(&reply(5, b"a"), now, &mut ends).unwrap();
    assert_eq!((ends.done.len(), &ends.done[2].2), (3, &Fate::Whole));
}

#[test]
fn a_server_that_goes_away_gets_no_further_call_and_what_it_did_not_begin_is_sent_again() {
    let now = Instant::now();
    let mut connection = up(grpc(vec![1]), &[]);
    let mut ends = Ends::default();
    for place in 0..3 {
        connection.send(0, flight(place));
    }
    let goaway = frame(kind::GOAWAY, 0, 0, &[&3_u32.to_be_bytes()[..], &0_u32.to_be_bytes(), b"max_age"].concat());
    connection.receive(&goaway, now, &mut ends).unwrap();
    assert_eq!((ends.again.as_slice(), connection.in_flight(), connection.has_room()), (&[2][..], 2, false));
    assert_eq!(connection.leaving(), Some("the server ends the connection: NO_ERROR max_age"));
    connection.receive(&reply(1, b"a"), now, &mut ends).unwrap();
    connection.lost("reset by peer", now, &mut ends);
    assert_eq!(ends.done[0].2, Fate::Whole);
    assert_eq!(ends.done[1].2, Fate::Broken(Broken::Lost, "the connection was lost: reset by peer".into()));
}

#[test]
fn what_is_no_http2_is_said() {
    let told = |bytes: &[u8]| {
        let mut connection = up(grpc(vec![1]), &[]);
        connection.send(0, flight(0));
        connection.receive(bytes, Instant::now(), &mut Ends::default()).unwrap_err()
    };
    let page = connection(grpc(vec![1])).receive(b"HTTP/1.1 400 Bad Request\r\n", Instant::now(), &mut Ends::default());
    assert_eq!(page.unwrap_err(), "the server does not speak HTTP/2");
    for (bytes, words) in [
        (frame(kind::DATA, 0, 1, &[0; 16_385]), "a frame of 16385 bytes"),
        (frame(kind::DATA, flag::PADDED, 1, &[5, 0]), "more padding"),
        (frame(kind::CONTINUATION, 0, 1, HEAD), "CONTINUATION without headers"),
        ([frame(kind::HEADERS, 0, 1, HEAD), frame(kind::PING, 0, 0, &[0; 8])].concat(), "in the middle of headers"),
        (frame(kind::HEADERS, flag::END_HEADERS, 1, b"\xff\xff"), "malformed headers"),
        (frame(kind::PUSH_PROMISE, 0, 1, &[0; 8]), "pushes"),
        (frame(kind::PING, 0, 0, b"1"), "too short"),
        (frame(kind::WINDOW_UPDATE, 0, 0, b"1"), "too short"),
        (settings_of(&[(setting::INITIAL_WINDOW_SIZE, u32::MAX)]), "window is too large"),
    ] {
        let error = told(&bytes);
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn interim_headers_are_none_of_the_reply() {
    let mut connection = up(Call { protocol: calls::wire::Protocol::H2c.into(), ..grpc(Vec::new()) }, &[]);
    let mut ends = Ends::default();
    connection.send(0, flight(0));
    let frames = sent(&mut connection);
    assert_eq!((frames.len(), frames[0].0.flags), (1, flag::END_HEADERS | flag::END_STREAM));
    let mut bytes = frame(kind::HEADERS, flag::END_HEADERS, 1, b"\x08\x03103");
    bytes.extend(frame(kind::HEADERS, flag::END_HEADERS, 1, b"\x8d"));
    bytes.extend(frame(kind::DATA, flag::END_STREAM, 1, b"gone"));
    connection.receive(&bytes, Instant::now(), &mut ends).unwrap();
    assert_eq!(
        (crate::load::flight::status(&ends.done[0].1.head), ends.done[0].1.body.as_slice()),
        (404, &b"gone"[..])
    );
}

/// What a server may send: frames of any kind on streams that are known and not, with contents that are right and not.
fn any_frame() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let payload = prop_oneof![
        3 => Just(HEAD.to_vec()),
        3 => Just(TRAILERS.to_vec()),
        3 => Just(b"\0\0\0\0\x01x".to_vec()),
        2 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![0, 0, 0, 1]),
    ];
    let streams = prop_oneof![4 => prop::sample::select(vec![1_u32, 3, 5, 7]), 1 => Just(0), 1 => any::<u32>()];
    let flags = prop_oneof![2 => Just(flag::END_HEADERS), 2 => Just(flag::END_HEADERS | flag::END_STREAM), 1 => Just(0), 1 => any::<u8>()];
    (0_u8..11, flags, streams, payload).prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 2000, failure_persistence: None, ..Default::default() })]

    /// Whatever a server sends, in whatever pieces: each call ends once or is still under way, and the pieces make no difference.
    #[test]
    fn no_bytes_of_a_server_confuse_a_connection(
        frames in proptest::collection::vec(any_frame(), 0..12),
        cut in proptest::option::of((0_usize..400, proptest::prelude::any::<u8>())),
        piece in 1_usize..30,
    ) {
        let mut bytes = frames.concat();
        if let Some((place, value)) = cut && let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        let heard = |piece: usize| {
            let mut connection = up(grpc(b"\0\0\0\0\x01x".to_vec()), &[]);
            for place in 0..4 {
                connection.send(0, flight(place));
            }
            let mut ends = Ends::default();
            let said = in_pieces(&bytes, piece, |inbox| connection.receive(inbox, Instant::now(), &mut ends));
            (connection.in_flight(), ends, said)
        };
        let (under_way, ends, said) = heard(bytes.len().max(1));
        let mut places: Vec<u32> = ends.done.iter().map(|(place, ..)| *place).chain(ends.again.iter().copied()).collect();
        assert_eq!(places.len() + under_way, 4, "{ends:?}");
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len() + under_way, 4, "a call ended twice: {ends:?}");
        let (in_pieces, ends_in_pieces, said_in_pieces) = heard(piece);
        assert_eq!((under_way, &ends.done, &ends.again, &said), (in_pieces, &ends_in_pieces.done, &ends_in_pieces.again, &said_in_pieces));
    }
}
