use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::*;

const LIMITS: Limits =
    Limits { connect: Duration::from_secs(5), io: Duration::from_secs(5), whole: Duration::from_secs(10) };

/// A server for one connection: `answer` sees the request's head and the connection.
fn serve<T: Send + 'static>(
    answer: impl FnOnce(String, &mut BufReader<TcpStream>) -> T + Send + 'static,
) -> (Target, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).unwrap(), 0);
        }
        answer(head, &mut stream)
    });
    (Target::Tcp(address), server)
}

fn reply(stream: &mut BufReader<TcpStream>, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_get_carries_its_headers_and_streams_the_body() {
    let (target, server) = serve(|head, stream| {
        reply(stream, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        head
    });
    let mut response = send(&target, LIMITS, Request::get("/x?y=1").header("x-test", "yes")).unwrap();
    assert_eq!((response.status, response.body.text(100).unwrap().as_str()), (200, "hello"));
    let head = server.join().unwrap();
    assert!(head.starts_with("GET /x?y=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-test: yes\r\n"), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
}

#[test]
fn a_chunked_answer_is_joined() {
    let (target, _server) = serve(|_, stream| {
        reply(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    });
    let mut response = send(&target, LIMITS, Request::get("/")).unwrap();
    assert_eq!(response.body.text(100).unwrap(), "abc");
}

#[test]
fn a_sized_payload_arrives_whole() {
    let (target, server) = serve(|head, stream| {
        assert!(head.contains("Content-Length: 300000\r\n"), "{head}");
        let mut body = vec![0; 300_000];
        stream.read_exact(&mut body).unwrap();
        reply(stream, "HTTP/1.1 204 No Content\r\n\r\n");
        body
    });
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let response = send(&target, LIMITS, Request::post("/", Payload::Sized(300_000, &mut bytes.as_slice()))).unwrap();
    assert_eq!(response.status, 204);
    assert_eq!(server.join().unwrap(), bytes);
}

#[test]
fn a_payload_of_unknown_length_goes_in_chunks() {
    let (target, server) = serve(|head, stream| {
        assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
        let mut body = String::new();
        while !body.ends_with("0\r\n\r\n") {
            stream.read_line(&mut body).unwrap();
        }
        reply(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        body
    });
    send(&target, LIMITS, Request::post("/", Payload::Chunked(&mut &b"data"[..]))).unwrap();
    assert_eq!(server.join().unwrap(), "4\r\ndata\r\n0\r\n\r\n");
}

#[test]
fn a_payload_shorter_than_promised_is_an_error() {
    let (target, _server) = serve(|_, stream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let error = send(&target, LIMITS, Request::post("/", Payload::Sized(9, &mut &b"four"[..]))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_server_that_says_nothing_meets_the_limit() {
    let (target, server) = serve(|_, stream| {
        // Ends when the client has given up.
        let _ = stream.read(&mut [0]);
    });
    let began = Instant::now();
    let limits = Limits { io: Duration::from_millis(100), ..LIMITS };
    let error = send(&target, limits, Request::get("/")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(4));
    server.join().unwrap();
}

#[test]
fn a_server_that_drips_meets_the_whole_limit() {
    let (target, server) = serve(|_, stream| {
        reply(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while stream.get_mut().write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let limits = Limits { whole: Duration::from_millis(300), ..LIMITS };
    let mut response = send(&target, limits, Request::get("/")).unwrap();
    assert_eq!(response.body.text(u64::MAX).unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(response);
    server.join().unwrap();
}

#[test]
fn no_server_is_refused_at_once() {
    let (_kept, address) = crate::test_ports::refusing();
    let target = Target::Tcp(address);
    let error = send(&target, LIMITS, Request::get("/")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn what_is_not_http_is_said_to_be_so() {
    let (target, _server) = serve(|_, stream| reply(stream, "SSH-2.0-x\r\n\r\n"));
    let error = send(&target, LIMITS, Request::get("/")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let (target, _server) = serve(|_, _| ());
    let error = send(&target, LIMITS, Request::get("/")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
