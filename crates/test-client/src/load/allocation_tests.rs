//! A call of a load allocates nothing, once all buffers have grown.

use std::rc::Rc;
use std::time::{Duration, Instant};

use calls::wire::{Call, CallList};

use super::flight::Flight;
use super::h2::{Http2, Requests};
use super::meter::Meter;
use super::recorder::Recorder;

/// A frame.
fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    to.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

/// Thirty-two calls in flight and their replies, again and again; the next stream's number.
fn rounds(count: u32, mut stream: u32, connection: &mut Http2, recorder: &mut Recorder, bytes: &mut Vec<u8>) -> u32 {
    for _ in 0..count {
        let now = Instant::now();
        let expires = now + Duration::from_secs(1);
        bytes.clear();
        for _ in 0..32 {
            connection.send(0, Flight { place: 0, since: now, expires, own_deadline: false, measured: true });
            // What both sides' tables have: status and type, then the trailers.
            frame(bytes, 1, 4, stream, b"\x88\xbf");
            frame(bytes, 0, 0, stream, b"\0\0\0\0\x03abc");
            frame(bytes, 1, 5, stream, b"\xbe");
            stream += 2;
        }
        connection.out.clear();
        let used = connection.receive(bytes, now, recorder).unwrap();
        assert_eq!((used, connection.in_flight()), (bytes.len(), 0));
    }
    stream
}

#[test]
fn a_call_allocates_nothing() {
    let call =
        Call { method: "POST".into(), path: "/a.B/C".into(), body: b"\0\0\0\0\x01x".to_vec(), ..Call::default() };
    let list = CallList { calls: vec![call], ..CallList::default() };
    let mut connection = Http2::new(Rc::new(Requests::new(&list, "127.0.0.1:1".parse().unwrap())));
    let now = Instant::now();
    let mut recorder = Recorder::new(vec![true], Meter::new(now, Duration::from_secs(60)).unwrap());
    let mut bytes = Vec::new();
    frame(&mut bytes, 4, 0, 0, b"");
    // The first reply puts its headers into the table.
    let expires = now + Duration::from_secs(1);
    connection.receive(&bytes, now, &mut recorder).unwrap();
    connection.send(0, Flight { place: 0, since: now, expires, own_deadline: false, measured: false });
    bytes.clear();
    frame(&mut bytes, 1, 4, 1, b"\x88\x5f\x10application/grpc");
    frame(&mut bytes, 0, 0, 1, b"\0\0\0\0\x03abc");
    frame(&mut bytes, 1, 5, 1, b"\x40\x0bgrpc-status\x010");
    connection.receive(&bytes, now, &mut recorder).unwrap();
    let stream = rounds(10, 3, &mut connection, &mut recorder, &mut bytes);
    let mut last = 0;
    let allocated = allocation_counter::measure(|| {
        last = rounds(100, stream, &mut connection, &mut recorder, &mut bytes);
    });
    assert_eq!((allocated.count_total, last), (0, stream + 2 * 3200));
    let counted = recorder.replies().counted;
    assert_eq!((counted.len(), counted[0].measured, counted[0].warmup), (1, 3520, 1));
}
