//! The exchange as a guest meets it: bytes on a connection.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use exchange::{ExchangeConfig, ExchangeLimits, serve};
use image_store::ImageStore;
use tokio_util::sync::CancellationToken;

use crate::archives::docker_archive;
use crate::layers::layers;
use crate::scratch;

/// What a guest may never read or write.
const SECRET: &str = "outside-of-every-folder";

/// How long an answer may take. Far longer than any does: a hang is a finding.
const PATIENCE: Duration = Duration::from_secs(10);

/// An exchange that serves as long as the process lives.
struct Server {
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Server {
    fn uploads(&self) -> PathBuf {
        self.folder.path().join("uploads")
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = scratch::folder();
        let store = ImageStore::open(folder.path().join("store")).expect("a store");
        let archive = folder.path().join("image.tar");
        std::fs::write(&archive, docker_archive("some/image:1", &layers(b"f a 1\n"))).expect("a file");
        store.add_docker_archive(&archive, None).expect("a sound archive");
        std::fs::write(folder.path().join("secret"), SECRET).expect("a file");
        std::fs::write(folder.path().join("run.sh"), "#!/bin/sh\necho <__FUTON_TOKEN__>\n").expect("a file");
        let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
        let served = [("data.txt".to_owned(), folder.path().join("run.sh"))].into();
        let quick = Duration::from_secs(1);
        let mut config = ExchangeConfig::run(served, folder.path().join("uploads"), events);
        config.token = Some("5f1e".into());
        config.run_script = Some(folder.path().join("run.sh"));
        config.store = Some(Arc::new(store));
        config.limits = ExchangeLimits { header: quick, idle: quick, anonymous: config.limits.quota, ..config.limits };
        config.limits.quota.files = u64::MAX;
        config.limits.anonymous.files = u64::MAX;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("a port");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::spawn(async move { while told.recv().await.is_some() {} });
                serve(listener, config, CancellationToken::new()).await.expect("an exchange that serves");
            });
        });
        Server { address, folder }
    })
}

/// Sends bytes as one client would, and gives all that comes back.
fn talk(bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server().address).expect("the exchange accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    // The exchange may have refused before all was sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(e) = stream.read_to_end(&mut answer) {
        assert!(e.kind() != std::io::ErrorKind::WouldBlock, "no answer within {PATIENCE:?}");
    }
    answer
}

/// Whatever comes on a connection, the answers are HTTP, none is an internal error, and files lie in the folder of uploads.
pub fn http(data: &[u8]) {
    let answer = talk(data);
    check(&answer);
    tidy();
    let alive = talk(b"GET /data.txt HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(alive.starts_with(b"HTTP/1.1 200 "), "the exchange is not well: {}", String::from_utf8_lossy(&alive));
}

/// Whatever address is asked for, the registry answers as the distribution protocol has it.
///
/// Input: an address, and lines of a header.
pub fn registry(data: &[u8]) {
    let mut lines = data.split(|b| *b == b'\n');
    let address = lines.next().unwrap_or_default();
    let mut request = b"GET /".to_vec();
    request.extend(address.iter().filter(|b| b.is_ascii_graphic()));
    request.extend_from_slice(b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for line in lines {
        request.extend(line.iter().filter(|b| b.is_ascii_graphic() || **b == b' '));
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let answer = talk(&request);
    check(&answer);
    tidy();
}

/// Reads the first answer's head; what follows it is looked through for what nobody may see.
fn check(answer: &[u8]) {
    let secret = SECRET.as_bytes();
    assert!(!answer.windows(secret.len()).any(|w| w == secret), "a file from outside of the served ones");
    if answer.is_empty() {
        return;
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(answer);
    assert!(parsed.is_ok_and(|p| p.is_complete()), "no HTTP: {}", String::from_utf8_lossy(answer));
    let code = response.code.unwrap_or(0);
    assert!(code < 500 || code == 501 || code == 505, "{}", String::from_utf8_lossy(answer));
}

/// Looks at what was uploaded, and takes it away.
fn tidy() {
    let server = server();
    let around: BTreeSet<String> = std::fs::read_dir(server.folder.path())
        .expect("the folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    let known: BTreeSet<String> =
        ["store", "image.tar", "secret", "run.sh", "uploads"].map(str::to_owned).into_iter().collect();
    assert_eq!(around, known, "something lies beside the uploads");
    for entry in std::fs::read_dir(server.uploads()).expect("uploads").flatten() {
        assert!(entry.file_type().is_ok_and(|t| t.is_file()), "{} is no file", entry.path().display());
        assert_ne!(entry.file_name(), "run.sh", "the run's script was stored");
        let _ = std::fs::remove_file(entry.path());
    }
}
