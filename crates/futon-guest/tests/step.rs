//! `step` as a program: what it runs, what it reports and what it uploads, in which order.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// An exchange that takes everything, or no upload, and remembers what came.
struct Host {
    url: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Host {
    fn new(upload: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        // Goes with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                heard.lock().unwrap().push(answer(stream.unwrap(), upload));
            }
        });
        Self { url, said }
    }

    /// What came, each request as one text.
    fn heard(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, upload: &str) -> String {
    let mut stream = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        stream.read_line(&mut text).unwrap();
    }
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    text.push_str(&String::from_utf8_lossy(&body));
    let status = if text.starts_with("POST /upload") { upload } else { "204 No Content" };
    let stream = stream.get_mut();
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    text
}

/// Runs `script` as a step that may leave a `client.json`; returns its status and the results log.
fn step(name: &str, host: &Host, script: &str) -> (Option<i32>, String) {
    let folder: PathBuf = std::env::temp_dir().join(format!("futon-step-program-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let log = folder.join("results.log");
    let status = Command::new(env!("CARGO_BIN_EXE_futon-guest"))
        .args(["step", "invoke", "--timeout", "60s", "--put", "client.json", "--", "sh", "-c", script])
        .current_dir(&folder)
        .env("FUTON_URL", &host.url)
        .env("FUTON_LOG", &log)
        .status()
        .unwrap();
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    (status.code(), text)
}

#[test]
fn what_a_failed_step_left_is_uploaded_after_its_end_is_told() {
    let host = Host::new("204 No Content");
    let (status, log) = step("put", &host, "echo '{\"verified\":3}' >client.json; exit 3");
    assert_eq!(status, Some(3));
    assert!(log.contains("--- step invoke: exit status 3"), "{log}");
    let heard = host.heard();
    let place = |words: &str| {
        heard.iter().position(|text| text.contains(words)).unwrap_or_else(|| panic!("{words}: {heard:?}"))
    };
    let (began, ended, put) = (place("step_started"), place("step_ended"), place("POST /upload"));
    assert!(began < ended && ended < put, "{heard:?}");
    assert!(heard[put].contains("filename=\"client.json\"") && heard[put].contains("{\"verified\":3}"), "{heard:?}");
}

#[test]
fn nothing_is_uploaded_where_nothing_was_left() {
    let host = Host::new("204 No Content");
    assert_eq!(step("none", &host, "exit 3").0, Some(3));
    assert!(host.heard().iter().all(|text| !text.contains("/upload")), "{:?}", host.heard());
    // A pipe would be waited for.
    assert_eq!(step("pipe", &host, "mkfifo client.json; exit 3").0, Some(3));
    assert!(host.heard().iter().all(|text| !text.contains("/upload")), "{:?}", host.heard());
}

#[test]
fn a_refused_upload_says_nothing_of_the_step() {
    let host = Host::new("413 Content Too Large");
    let (status, log) = step("refused", &host, "echo x >client.json");
    assert_eq!(status, Some(0));
    assert!(log.contains("--- step invoke: ok"), "{log}");
    assert!(log.contains("cannot put client.json") && log.contains("413"), "{log}");
}
