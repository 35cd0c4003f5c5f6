//! Servers that are not there, not yet there, not what they should be, or there again.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::{FIBONACCI, client, command, fibonacci},
    server::{Deed, Port, Server},
};

#[test]
fn never_listens() {
    let port = Port::new();
    let run = client(port.number, &format!("{FIBONACCI} -connect-timeout 300ms"));
    assert_eq!(run.code, 3, "{}", run.log);
    assert!(run.log.contains("level=fatal msg=\"Fail to init client: no gRPC server at 127.0.0.1:"));
    assert!(run.log.contains("refused"), "{}", run.log);
    let report = &run.report;
    assert_eq!((&report["not_made"], &report["greeting"]), (&json!(6), &json!("not_made")));
    assert_eq!(report["connect_ms"], Value::Null);
    assert_eq!(report["first_failure"]["kind"], "connect");
    assert!(run.took < Duration::from_secs(3), "{:?}", run.took);
}

#[test]
fn its_own_function_answers_it() {
    let kept = Port::new();
    let port = kept.number;
    let mut server = command(&format!("-serve -url 0.0.0.0 -port {port}")).spawn().unwrap();
    let run = client(port, "-function-name helloworld -n 3");
    let wrong = client(port, &format!("{FIBONACCI} -n 1"));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(run.code, 0, "{}", run.log);
    assert_eq!(run.report["verified"], json!(3), "{}", run.report);
    assert_eq!(wrong.code, 1, "{}", wrong.log);
}

#[test]
fn accepts_and_says_nothing() {
    // The kernel accepts for a listener that never does.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let run = client(port, &format!("{FIBONACCI} -connect-timeout 300ms"));
    assert_eq!(run.code, 3, "{}", run.log);
    assert!(run.log.contains("did not speak"), "{}", run.log);
}

#[test]
fn listens_only_after_some_tries_behind_a_port_proxy() {
    // As Docker's proxy does before the function listens: accept, and close at once.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        for _ in 0..3 {
            drop(listener.accept().unwrap());
        }
        Server::on(listener, fibonacci)
    });
    let run = client(port, FIBONACCI);
    assert_eq!(run.code, 0, "{}", run.log);
    assert_eq!(server.join().unwrap().calls(), 7);
}

#[test]
fn something_else_listens() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The client may be gone already. What it has sent is read, as any server does: else the kernel may drop the answer.
            let _ = stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let run = client(port, &format!("{FIBONACCI} -connect-timeout 300ms"));
    assert_eq!(run.code, 3, "{}", run.log);
    assert!(run.log.contains("HTTP"), "{}", run.log);
}

#[test]
fn a_server_that_comes_back_is_called_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let again = listener.try_clone().unwrap();
    let first =
        Server::on(listener, |path, call, text| if call == 3 { Deed::Die } else { fibonacci(path, call, text) });
    let port = first.port;
    let second = std::thread::spawn(move || {
        first.wait();
        Server::on(again, fibonacci)
    });
    let run = client(port, FIBONACCI);
    assert_eq!(run.code, 1, "{}", run.log);
    assert_eq!((&run.report["verified"], &run.report["failed"]), (&json!(5), &json!(1)));
    assert_eq!(second.join().unwrap().calls(), 4);
}
