//! GET and HEAD of files.

use std::os::unix::fs::symlink;

use exchange::ExchangeConfig;
use futon_model::EventKind;

use crate::support::{Server, curl, curl_in};

#[test]
fn files_are_served_as_the_python_server_does() {
    let mut server =
        Server::folder(&[("config.json", "{\"a\":1}"), ("sub/f", "deep"), ("ü b.txt", "odd"), ("empty", "")]);
    let got = curl(&[&server.url("/config.json"), "-f"]);
    assert_eq!((got.status, got.text().as_str()), (200, "{\"a\":1}"));
    assert!(
        got.headers.contains("content-type: application/json") && got.headers.contains("content-length: 7"),
        "{}",
        got.headers
    );
    let head = curl(&["-I", &server.url("/config.json")]);
    assert_eq!(head.status, 200);
    assert!(head.headers.contains("content-length: 7"), "{}", head.headers);
    for (path, status) in [
        ("/config.json?x=1", 200),
        ("//config.json", 200),
        ("/./config.json", 200),
        ("/%63onfig.json", 200),
        ("/%C3%BC%20b.txt", 200),
        ("/sub/f", 200),
        ("/sub", 301),
        ("/sub/", 200),
        ("/", 200),
        ("/upload", 200),
        ("/empty", 200),
        ("/config.json/", 404),
        ("/nope", 404),
        ("/run.sh", 404),
        ("/v2/", 404),
        ("/_futon/nope", 404),
    ] {
        assert_eq!(curl(&[&server.url(path)]).status, status, "{path}");
    }
    assert!(curl(&[&server.url("/")]).text().contains("config.json"));
    for method in ["DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(curl(&["-X", method, &server.url("/config.json")]).status, 501, "{method}");
    }
    assert_eq!(curl(&[&server.url("/config.json"), "-d", "x"]).status, 404, "POST goes to /upload only");
    let since = ["-H", "If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT", &server.url("/config.json")];
    assert_eq!(curl(&since).status, 304);
    let tag = curl(&["-i", &server.url("/config.json")]).text();
    let tag = tag.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    for (known, status) in [(tag, 304), (&format!("\"x\", W/{tag}"), 304), ("*", 304), ("\"x\"", 200)] {
        // Another content may well be the older one: the tag counts, not the date.
        let known = ["-H", &format!("If-None-Match: {known}"), since[0], since[1], since[2]];
        assert_eq!(curl(&known).status, status, "{known:?}");
    }
    for (known, status) in [(tag, 206), ("\"x\"", 200)] {
        let part = ["-r", "1-2", "-H", &format!("If-Range: {known}"), &server.url("/config.json")];
        assert_eq!(curl(&part).status, status, "{known:?}");
    }
    let told = server.events();
    let asked = |path: &str, status: u16, bytes: u64| {
        told.contains(&EventKind::FileRequested { path: path.to_owned(), status, bytes })
    };
    assert!(asked("config.json", 200, 7) && asked("config.json", 200, 0) && asked("nope", 404, 31), "{told:?}");
    assert!(told.contains(&EventKind::RunScriptRequested { status: 404, authentic: false }));
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let server = Server::folder(&[("f", "x")]);
    std::fs::write(server.scratch.path().join("secret"), "secret").unwrap();
    symlink("../secret", server.served("link")).unwrap();
    symlink("/etc", server.served("etc")).unwrap();
    symlink("f", server.served("inside")).unwrap();
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/sub/../../secret",
        "/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/f%00",
        "/..%5c..%5csecret",
        "/link",
        "/etc/passwd",
        "//etc/passwd",
        "/%ff",
    ] {
        let got = curl(&[&server.url(path)]);
        assert!((400..=404).contains(&got.status) && !got.text().contains("secret\n"), "{path}: {got:?}");
        assert!(!got.text().contains("root:"), "{path}");
    }
    assert_eq!(curl(&[&server.url("/link")]).status, 403);
    assert_eq!(curl(&[&server.url("/inside")]).text(), "x");
}

#[test]
fn a_broken_download_goes_on() {
    let text: String = (0..100_000).map(|i| format!("{i}\n")).collect();
    let server = Server::folder(&[("big", &text)]);
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("big"), &text[..300_001]).unwrap();
    let url = server.url("/big");
    let status = std::process::Command::new("curl")
        .current_dir(here.path())
        .args(["-s", "-f", "-C", "-", "-O", &url])
        .status()
        .unwrap();
    assert!(status.success());
    assert!(std::fs::read_to_string(here.path().join("big")).unwrap() == text);
    let part = curl_in(here.path(), &["-r", "-5", &url]);
    assert_eq!((part.status, part.text()), (206, text[text.len() - 5..].to_owned()));
    let beyond = curl(&["-r", "99999999-", &url]);
    assert_eq!(beyond.status, 416);
    assert!(beyond.headers.contains(&format!("content-range: bytes */{}", text.len())), "{}", beyond.headers);
}

#[test]
fn a_run_serves_its_list_first_and_uploads_after() {
    let server = Server::start(|scratch, events| {
        std::fs::write(scratch.join("tool"), "the tool").unwrap();
        std::fs::write(scratch.join("hidden"), "not on the list").unwrap();
        let files = [("test-client".to_owned(), scratch.join("tool")), ("gone".to_owned(), scratch.join("gone"))];
        ExchangeConfig::run(files.into(), scratch.join("uploads"), events)
    });
    let here = server.scratch.path();
    assert_eq!(curl(&[&server.url("/test-client")]).text(), "the tool");
    for path in ["/hidden", "/tool", "/gone", "/uploads/", "/../hidden"] {
        assert!(curl(&[&server.url(path)]).status >= 400, "{path}");
    }
    assert_eq!(curl_in(here, &["-T", "hidden", &server.url("/test-client")]).status, 201);
    assert_eq!(curl(&[&server.url("/test-client")]).text(), "the tool", "an upload does not replace a file of the run");
    assert_eq!(curl_in(here, &["-T", "hidden", &server.url("/note")]).status, 201);
    assert_eq!(curl(&[&server.url("/note")]).text(), "not on the list");
    let list = curl(&[&server.url("/")]).text();
    assert!(list.contains("note") && list.contains("test-client") && !list.contains("hidden"), "{list}");
}
