//! The run script and its token.

use std::io::{Read, Write};

use exchange::{ExchangeConfig, Parking};
use futon_model::{EventKind, TOKEN_PLACEHOLDER};

use crate::support::{Server, curl};

const TOKEN: &str = "0123456789abcdef";

fn with_script(text: &str) -> Server {
    Server::start(|scratch, events| {
        std::fs::write(scratch.join("script"), text).unwrap();
        let mut config = ExchangeConfig::run([].into(), scratch.join("uploads"), events);
        config.token = Some(TOKEN.to_owned());
        config.run_script = Some(scratch.join("script"));
        config
    })
}

#[test]
fn the_token_is_given_once_whoever_asks_first() {
    let mut server = with_script(&format!("#!/bin/sh\nT={TOKEN_PLACEHOLDER}\nU={TOKEN_PLACEHOLDER}\n"));
    let head = curl(&["-I", &server.url("/run.sh")]);
    assert!(head.headers.contains(&format!("content-length: {}", 16 + 2 * TOKEN.len())), "{}", head.headers);
    let answers: Vec<String> = std::thread::scope(|scope| {
        let ask = |path: &'static str| {
            let server = &server;
            scope.spawn(move || {
                let mut stream = server.connect();
                write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-5\r\nConnection: close\r\n\r\n")
                    .unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                answer
            })
        };
        let asking: Vec<_> =
            ["/run.sh", "/%72un.sh", "//run.sh", "/./run.sh?x"].into_iter().cycle().take(50).map(ask).collect();
        asking.into_iter().map(|a| a.join().unwrap()).collect()
    });
    let with = |a: &&String| a.ends_with(&format!("#!/bin/sh\nT={TOKEN}\nU={TOKEN}\n"));
    assert_eq!(answers.iter().filter(with).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.ends_with("#!/bin/sh\nT=\nU=\n")).count(), 49);
    let told = server.events();
    let authentic = EventKind::RunScriptRequested { status: 200, authentic: true };
    assert_eq!(told.iter().filter(|e| **e == authentic).count(), 1);
    assert_eq!(told.len(), 51, "{told:?}");
}

#[test]
fn a_fork_gets_what_it_needs_to_wake_up() {
    let server = with_script("");
    let woken = curl(&["-H", "x-futon-park: 1", &server.url("/run.sh")]).headers;
    let header = |name: &str| Some(woken.split_once(&format!("{name}: "))?.1.lines().next()?.trim().to_owned());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let time: u128 = header("x-futon-time").unwrap().parse().unwrap();
    assert!(now.abs_diff(time) < 20_000_000_000, "{time} is not now, {now}");
    assert_eq!(header("x-futon-entropy").unwrap().len(), 128);
    // Whoever did not park gets none of it.
    assert!(!curl(&[&server.url("/run.sh")]).headers.contains("x-futon"), "{woken}");
}

#[test]
fn a_guest_that_is_to_be_saved_waits_at_once_or_after_the_script() {
    for (parking, statuses) in
        [(Parking::No, [200, 200, 200]), (Parking::Yes, [204, 204, 204]), (Parking::AfterScript, [200, 204, 204])]
    {
        let server = Server::start(|scratch, events| {
            std::fs::write(scratch.join("script"), "").unwrap();
            let run_script = Some(scratch.join("script"));
            ExchangeConfig { run_script, parking, ..ExchangeConfig::run([].into(), scratch.join("uploads"), events) }
        });
        let ask = |_| curl(&["-H", "x-futon-park: 1", &server.url("/run.sh")]).status;
        assert_eq!([0; 3].map(ask), statuses, "{parking:?}");
        // One that boots gets it always.
        assert_eq!(curl(&[&server.url("/run.sh")]).status, 200, "{parking:?}");
    }
}

#[test]
fn a_missing_script_costs_no_token() {
    let mut server = with_script("");
    std::fs::remove_file(server.scratch.path().join("script")).unwrap();
    assert_eq!(curl(&[&server.url("/run.sh")]).status, 404);
    assert_eq!(server.events(), [EventKind::RunScriptRequested { status: 404, authentic: false }]);
    std::fs::write(server.scratch.path().join("script"), TOKEN_PLACEHOLDER).unwrap();
    assert_eq!(curl(&[&server.url("/run.sh")]).text(), TOKEN);
    assert_eq!(curl(&[&server.url("/run.sh")]).text(), "");
}

#[test]
fn a_script_without_the_placeholder_is_served_as_it_is() {
    let mut server = with_script("\u{7f}ELF, say");
    assert_eq!(curl(&[&server.url("/run.sh")]).text(), "\u{7f}ELF, say");
    assert_eq!(server.events(), [EventKind::RunScriptRequested { status: 200, authentic: false }]);
}

#[test]
fn a_folders_script_is_a_file_like_any_other() {
    let server = Server::folder(&[("run.sh", TOKEN_PLACEHOLDER)]);
    assert_eq!(curl(&[&server.url("/run.sh")]).text(), TOKEN_PLACEHOLDER);
}
