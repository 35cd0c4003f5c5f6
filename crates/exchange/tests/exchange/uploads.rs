//! PUT and the form: what arrives, what does not, and what stays behind.

use std::io::{Read, Write};

use exchange::{ExchangeConfig, Quota};
use futon_model::{EventKind, TOKEN_HEADER};

use crate::support::{Server, curl, curl_in, tree};

const TOKEN: &str = "the-token-of-this-run";

fn run(change: impl FnOnce(&mut ExchangeConfig)) -> Server {
    Server::start(|scratch, events| {
        std::fs::write(scratch.join("results.log"), "SUCCESS\n").unwrap();
        std::fs::write(scratch.join("two.txt"), "two").unwrap();
        let mut config = ExchangeConfig::run([].into(), scratch.join("served"), events);
        config.token = Some(TOKEN.to_owned());
        change(&mut config);
        config
    })
}

fn names(server: &Server) -> Vec<String> {
    tree(&server.served("")).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn forms_get_the_python_servers_answers() {
    let server = run(|_| {});
    let here = server.scratch.path();
    let url = server.url("/upload");
    for (arguments, status) in [
        (vec!["-F", "files=@results.log"], 204),
        (vec!["-X", "PUT", "-F", "files=@results.log"], 204),
        (vec!["-F", "files=@results.log", "-F", "files=@two.txt"], 204),
        (vec!["-F", "files=@results.log", "-F", "other=text"], 204),
        (vec!["-F", "other=@two.txt", "-F", "files=@results.log"], 204),
        (vec!["-F", "files=@results.log;filename=/tmp/deep/p.log"], 204),
        (vec!["-H", "Expect: 100-continue", "-F", "files=@results.log"], 204),
        (vec!["-H", "Transfer-Encoding: chunked", "-F", "files=@results.log"], 204),
        (vec!["-F", "other=@results.log"], 400),
        (vec!["-F", "files=text"], 400),
        (vec!["-F", "files=@results.log;filename="], 400),
        (vec!["-F", "files=@two.txt", "-F", "files=text"], 400),
        (vec!["-F", "files=@results.log;filename=.."], 400),
        (vec!["-F", "files=@results.log;filename=../x"], 400),
        (vec!["-F", "files=@results.log;filename=a\\b"], 400),
        (vec!["-F", "files=@results.log;filename=run.sh"], 403),
        (vec!["-d", "files=x"], 400),
        (vec!["--data-binary", "@results.log"], 400),
        (vec!["-T", "results.log"], 400),
        (vec!["-X", "POST"], 400),
        (vec!["-X", "DELETE"], 501),
    ] {
        let got = curl_in(here, &[&[url.as_str()], &arguments[..]].concat());
        assert_eq!(got.status, status, "{arguments:?}: {got:?}");
    }
    assert_eq!(curl_in(here, &[&server.url("/other"), "-F", "files=@results.log"]).status, 404);
    assert_eq!(curl_in(here, &[&server.url("/other"), "-X", "PUT", "-F", "files=@results.log"]).status, 404);
    let expected = [
        "p.log",
        "results.log",
        "results.log.2",
        "results.log.3",
        "results.log.4",
        "results.log.5",
        "results.log.6",
        "results.log.7",
        "two.txt",
    ];
    assert_eq!(names(&server), expected, "a form is stored whole or not at all");
}

#[test]
fn both_of_two_uploads_of_one_name_are_kept_and_reported() {
    let mut server = run(|_| {});
    let here = server.scratch.path();
    let token = format!("{TOKEN_HEADER}: {TOKEN}");
    assert_eq!(curl_in(here, &["-T", "results.log", &server.url("/")]).status, 201);
    let got = curl_in(here, &["-T", "two.txt", "-H", &token, &server.url("/results.log")]);
    assert_eq!(got.status, 201);
    assert!(got.headers.contains("location: /results.log.2"), "{}", got.headers);
    let wrong = format!("{TOKEN_HEADER}: {TOKEN}x");
    assert_eq!(
        curl_in(here, &["-F", "files=@two.txt;filename=results.log", "-H", &wrong, &server.url("/upload")]).status,
        204
    );
    let read = |name: &str| std::fs::read_to_string(server.served(name)).unwrap();
    assert_eq!((read("results.log").as_str(), read("results.log.2").as_str()), ("SUCCESS\n", "two"));
    let stored = |stored_as: &str, bytes, authentic| {
        let (name, stored_as) = ("results.log".to_owned(), stored_as.to_owned());
        EventKind::Uploaded { name, stored_as, bytes, authentic }
    };
    let expected =
        [stored("results.log", 8, false), stored("results.log.2", 3, true), stored("results.log.3", 3, false)];
    assert_eq!(server.events(), expected);
}

#[test]
fn bad_names_store_nothing_anywhere() {
    let mut server = run(|_| {});
    let before = tree(server.scratch.path());
    let long = format!("/{}", "x".repeat(256));
    for (path, status) in [
        ("/../evil", 400),
        ("/%2e%2e/evil", 400),
        ("/..%2fevil", 400),
        ("/%2e%2e", 400),
        ("/.", 400),
        ("/..", 400),
        ("//etc/evil", 400),
        ("/sub/evil", 400),
        ("/a%2fb", 400),
        ("/a%5cb", 400),
        ("/a%00b", 400),
        ("/a%0ab", 400),
        ("/%1b[31m", 400),
        ("/%ff", 400),
        ("/", 400),
        (&long, 400),
        ("/run.sh", 403),
        ("/%72un.sh", 403),
        ("/.futon-partial-x", 403),
    ] {
        // A given method and body rather than -T: curl would complete an address that ends with a slash.
        let got = curl_in(server.scratch.path(), &["-g", "-X", "PUT", "--data-binary", "@two.txt", &server.url(path)]);
        assert_eq!(got.status, status, "{path}: {got:?}");
        assert_eq!(tree(server.scratch.path()), before, "{path}");
        let told = server.events();
        assert!(matches!(&told[..], [EventKind::UploadFailed { status: s, .. }] if *s == status), "{path}: {told:?}");
    }
}

#[test]
fn a_link_with_the_final_name_is_neither_followed_nor_replaced() {
    let server = run(|_| {});
    std::fs::write(server.scratch.path().join("victim"), "safe").unwrap();
    curl_in(server.scratch.path(), &["-T", "two.txt", &server.url("/first")]);
    std::os::unix::fs::symlink("../victim", server.served("trap")).unwrap();
    assert_eq!(curl_in(server.scratch.path(), &["-T", "two.txt", &server.url("/trap")]).status, 201);
    assert_eq!(std::fs::read_to_string(server.scratch.path().join("victim")).unwrap(), "safe");
    assert_eq!(std::fs::read_to_string(server.served("trap.2")).unwrap(), "two");
}

#[test]
fn a_client_that_stops_half_way_leaves_nothing() {
    let mut server = run(|_| {});
    let form = "--X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"half.log\"\r\n\r\n";
    let requests = [
        "PUT /half.log HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".to_owned(),
        format!(
            "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: 1000000\r\n\r\n{form}"
        ),
        format!(
            "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=X\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{form}\r\n",
            form.len()
        ),
    ];
    for request in requests {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        if !request.contains("chunked") {
            stream.write_all(&vec![b'x'; 400_000]).unwrap();
        }
        drop(stream);
        let event =
            server.wait_event(|e| matches!(e, EventKind::UploadFailed { name, status: 400, .. } if name == "half.log"));
        assert!(matches!(event, EventKind::UploadFailed { authentic: false, .. }), "{event:?}");
        assert_eq!(names(&server), [""; 0]);
    }
}

#[test]
fn limits_have_clear_answers_and_strangers_cannot_starve_the_run() {
    let mut server = run(|config| {
        config.limits.quota = Quota { file_bytes: 100_000, total_bytes: 150_000, files: 3, at_once: 4 };
        config.limits.anonymous = Quota { file_bytes: 1_000, total_bytes: 1_500, files: 2, at_once: 4 };
    });
    let here = server.scratch.path().to_owned();
    for size in [900_usize, 1_001, 90_000, 100_001, 40_000_000] {
        std::fs::write(here.join(size.to_string()), vec![b'x'; size]).unwrap();
    }
    let token = format!("{TOKEN_HEADER}: {TOKEN}");
    let put =
        |arguments: &[&str], file: &str| curl_in(&here, &[arguments, &["-T", file, &server.url("/f")]].concat()).status;
    let form = |arguments: &[&str], file: &str| {
        let field = format!("files=@{file}");
        curl_in(&here, &[arguments, &["-F", &field, &server.url("/upload")]].concat()).status
    };
    let known = ["-H", token.as_str()];
    assert_eq!(put(&[], "1001"), 413, "announced too large");
    assert_eq!(put(&["-H", "Transfer-Encoding: chunked"], "1001"), 413, "found out to be too large");
    assert_eq!(form(&[], "1001"), 413);
    assert_eq!(put(&["-H", "Expect:"], "40000000"), 413, "the client reads the answer though it sends on");
    assert_eq!(put(&[], "40000000"), 413);
    assert_eq!(put(&[], "900"), 201);
    assert_eq!(put(&[], "900"), 413, "more than all together");
    assert_eq!(form(&[], "two.txt"), 204);
    assert_eq!(put(&[], "two.txt"), 429, "more files than allowed");
    assert_eq!(put(&known, "90000"), 201, "the run has its own quota");
    assert_eq!(put(&known, "100001"), 413);
    assert_eq!(put(&known, "90000"), 413);
    assert_eq!(form(&known, "1001"), 204);
    assert_eq!(form(&known, "1001"), 204);
    assert_eq!(form(&known, "1001"), 429);
    assert_eq!(names(&server), ["1001", "1001.2", "f", "f.2", "two.txt"]);
    let failed = server.events().into_iter().filter(|e| matches!(e, EventKind::UploadFailed { .. })).count();
    assert_eq!(failed, 10);
}

#[test]
fn many_files_in_one_form() {
    let mut server = run(|_| {});
    let here = server.scratch.path().to_owned();
    let fields: Vec<String> = (0..100).map(|i| format!("files=@two.txt;filename=f{i:03}")).collect();
    let mut arguments = vec![server.url("/upload")];
    arguments.extend(fields.iter().flat_map(|f| ["-F".to_owned(), f.clone()]));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(curl_in(&here, &arguments).status, 204);
    let files = tree(&server.served(""));
    assert_eq!(files.len(), 100);
    assert!(
        files.iter().enumerate().all(|(i, (name, text))| *name == format!("f{i:03}") && text == b"two"),
        "{files:?}"
    );
    assert_eq!(server.events().len(), 100);
    let mut arguments = arguments.clone();
    arguments.extend(["-F", "files=text"]);
    assert_eq!(curl_in(&here, &arguments).status, 400);
    assert_eq!(tree(&server.served("")), files, "the hidden ones are gone too");
}

#[test]
fn odd_but_allowed() {
    let server = run(|_| {});
    let here = server.scratch.path().to_owned();
    std::fs::write(here.join("empty"), "").unwrap();
    assert_eq!(curl_in(&here, &["-T", "empty", &server.url("/")]).status, 201);
    assert_eq!(std::fs::read(server.served("empty")).unwrap(), b"");
    assert_eq!(curl_in(&here, &["-T", "two.txt", &server.url("/a%20b%25.log")]).status, 201);
    assert_eq!(curl(&[&server.url("/a%20b%25.log")]).text(), "two");
    // HTTP/1.0 and a client that closes its side of the connection once it has asked.
    let mut stream = server.connect();
    stream.write_all(b"PUT /old HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 201"), "{answer}");
    assert_eq!(std::fs::read(server.served("old")).unwrap(), b"hi");
}

#[test]
fn a_hundred_uploads_at_once_of_one_name() {
    let server = run(|config| config.limits.anonymous.at_once = 200);
    std::thread::scope(|scope| {
        for i in 0..100 {
            let server = &server;
            scope.spawn(move || {
                let mut stream = server.connect();
                write!(stream, "PUT /same HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{i:03}")
                    .unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
            });
        }
    });
    let mut contents: Vec<_> = tree(&server.served("")).into_iter().map(|(_, text)| text).collect();
    contents.sort();
    assert_eq!(contents, (0..100).map(|i| format!("{i:03}").into_bytes()).collect::<Vec<_>>());
}
