//! Clients that stall, flood or go away: nobody holds the exchange up.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use exchange::ExchangeConfig;
use futon_model::EventKind;

use crate::support::{LIMIT, Server, curl};

fn impatient() -> Server {
    Server::start(|scratch, events| {
        std::fs::write(scratch.join("big"), vec![0; 64 << 20]).unwrap();
        let mut config =
            ExchangeConfig::run([("big".to_owned(), scratch.join("big"))].into(), scratch.join("served"), events);
        config.limits.header = Duration::from_millis(300);
        config.limits.idle = Duration::from_millis(300);
        config.limits.connections = 8;
        config
    })
}

/// Reads until the other side closes.
fn until_closed(stream: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is a way to close, too.
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn stalled_headers_bodies_and_readers_are_cut_off() {
    let mut server = impatient();
    let start = Instant::now();
    let mut silent = server.connect();
    let mut half_header = server.connect();
    half_header.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    let mut half_body = server.connect();
    half_body.write_all(b"PUT /stalled HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345").unwrap();
    let mut no_reader = server.connect();
    no_reader.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    until_closed(&mut silent);
    until_closed(&mut half_header);
    let answer = String::from_utf8(until_closed(&mut half_body)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // In whichever order: both waited for the same limit.
    let (mut refused, mut cut_off) = (false, false);
    server.wait_event(|e| {
        refused |= matches!(e, EventKind::UploadFailed { status: 408, .. });
        cut_off |= matches!(e, EventKind::FileRequested { status: 200, bytes, .. } if *bytes < 64 << 20);
        refused && cut_off
    });
    assert!(start.elapsed() < LIMIT);
    assert!(until_closed(&mut no_reader).len() < 64 << 20);
}

#[test]
fn idle_connections_do_not_lock_others_out() {
    let server = Server::start(|scratch, events| {
        let mut config = ExchangeConfig::folder(scratch.to_owned(), events);
        config.limits.connections = 4;
        config
    });
    let idle: Vec<_> = (0..40).map(|_| server.connect()).collect();
    assert_eq!(curl(&[&server.url("/")]).status, 200);
    drop(idle);
}

#[test]
fn a_stop_is_quick_whatever_is_going_on() {
    let mut server = impatient();
    let mut uploading = server.connect();
    uploading.write_all(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut leave = [0; 25];
    uploading.read_exact(&mut leave).unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    uploading.write_all(b"123").unwrap();
    let _idle = server.connect();
    let took = server.stop();
    assert!(took < Duration::from_secs(5), "{took:?}");
    server.wait_event(|e| matches!(e, EventKind::UploadFailed { .. }));
    assert!(std::net::TcpStream::connect(server.address).is_err(), "the port is closed");
    assert_eq!(std::fs::read_dir(server.served("")).unwrap().count(), 0);
}

#[test]
fn nonsense_does_not_end_the_exchange() {
    let server = impatient();
    for junk in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        &[b'x'; 100_000],
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(junk);
        until_closed(&mut stream);
    }
    assert_eq!(curl(&[&server.url("/big"), "-r", "0-3"]).status, 206);
}
