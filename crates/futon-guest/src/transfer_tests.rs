use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::PathBuf,
    thread::JoinHandle,
};

use guest_net::http::Target;

use super::*;

/// Answers one connection each with the texts given; returns what each client sent.
fn serve(answers: Vec<String>) -> (Exchange, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let exchange = Exchange::at(Target::Tcp(listener.local_addr().unwrap()));
    let server = thread::spawn(move || {
        answers
            .iter()
            .map(|answer| {
                let (stream, _) = listener.accept().unwrap();
                let mut stream = BufReader::new(stream);
                let mut text = String::new();
                while !text.ends_with("\r\n\r\n") {
                    stream.read_line(&mut text).unwrap();
                }
                let length = text
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "))
                    .map_or(0, |length| length.parse().unwrap());
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                text.push_str(&String::from_utf8(body).unwrap());
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                text
            })
            .collect()
    });
    (exchange, server)
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("futon-transfer-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_that_broke_off_is_fetched_again_and_is_whole() {
    let folder = folder("again");
    let (exchange, server) = serve(vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall of it".to_owned(),
    ]);
    get(&exchange, "test-client", &folder).unwrap();
    assert_eq!(fs::read_to_string(folder.join("test-client")).unwrap(), "all of it");
    assert_eq!(fs::metadata(folder.join("test-client")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(names(&folder), ["test-client"]);
    server.join().unwrap();
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_not_there_leaves_nothing() {
    let folder = folder("missing");
    fs::write(folder.join("run.env"), "old").unwrap();
    let (exchange, server) = serve(vec!["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()]);
    let error = get(&exchange, "a b/run.env", &folder).unwrap_err().to_string();
    assert!(error.contains("run.env") && error.contains("status 404"), "{error}");
    assert_eq!(fs::read_to_string(folder.join("run.env")).unwrap(), "old");
    assert_eq!(names(&folder), ["run.env"]);
    assert!(server.join().unwrap()[0].starts_with("GET /a%20b/run.env HTTP/1.1\r\n"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_program_that_is_the_same_stays() {
    let folder = folder("same");
    let whole = |tag: &str, text: &str| {
        format!("HTTP/1.1 200 OK\r\nETag: \"{tag}\"\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    };
    let (exchange, server) = serve(vec![
        whole("1", "first"),
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n".to_owned(),
        whole("2", "second"),
        whole("3", "third"),
    ]);
    for content in ["first", "first", "second"] {
        get(&exchange, "test-client", &folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("test-client")).unwrap(), content);
    }
    // Its tag alone is no program.
    fs::remove_file(folder.join("test-client")).unwrap();
    get(&exchange, "test-client", &folder).unwrap();
    let asked = server.join().unwrap();
    let known = |text: &String| text.lines().find_map(|line| line.strip_prefix("If-None-Match: ")).map(str::to_owned);
    let known: Vec<Option<String>> = asked.iter().map(known).collect();
    assert_eq!(known, [None, Some("\"1\"".to_owned()), Some("\"1\"".to_owned()), None]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn names_of_no_file_are_refused() {
    let exchange = Exchange::at(Target::Tcp("127.0.0.1:9".parse().unwrap()));
    for name in ["", "a/", "..", "x/.."] {
        assert!(
            get(&exchange, name, Path::new("/nonexistent")).unwrap_err().to_string().contains("is not a file name")
        );
    }
}

#[test]
fn an_upload_is_the_form_field_files() {
    let folder = folder("put");
    let file = folder.join("some.log");
    fs::write(&file, "contents").unwrap();
    let (exchange, server) = serve(vec!["HTTP/1.1 204 No Content\r\n\r\n".to_owned()]);
    put(&exchange, &file, "results.log").unwrap();
    let request = server.join().unwrap().remove(0);
    assert!(request.starts_with("POST /upload HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("name=\"files\"; filename=\"results.log\"\r\n"), "{request}");
    assert!(request.contains("\r\n\r\ncontents\r\n--"), "{request}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_upload_that_is_refused_says_so_at_once() {
    let folder = folder("refused");
    let file = folder.join("x");
    fs::write(&file, "x").unwrap();
    let (exchange, server) = serve(vec!["HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\n\r\n".to_owned()]);
    let error = put(&exchange, &file, "x").unwrap_err().to_string();
    assert!(error.contains("status 507"), "{error}");
    server.join().unwrap();
    fs::remove_dir_all(folder).unwrap();
}
