//! A registry in the guest itself, for a machine without a network: it answers where the exchange would, from what a payload has brought.
//! The engine pulls from it as it does from the exchange, so images have the names, digests and layers that they have everywhere else.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use futon_model::CarriedRegistry;
use guest_net::{Context, Result, route};

use crate::{exchange::PORT, lean::net::answer_at};

/// A client that says nothing is let go.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest line of a request, bytes.
const LINE: u64 = 8192;
/// Most lines of a request's head.
const LINES: usize = 100;

/// The registry. It serves as long as the program runs.
#[derive(Debug)]
pub(super) struct Carried {
    address: SocketAddr,
}

impl Carried {
    /// Serves what lies in `folder` where engines look for the exchange.
    pub(super) fn serve(folder: &Path) -> Result<Self> {
        Self::serve_at(folder, SocketAddrV4::new(route::QEMU_GATEWAY, PORT))
    }

    fn serve_at(folder: &Path, address: SocketAddrV4) -> Result<Self> {
        let list = folder.join(CarriedRegistry::FILE);
        let text = fs::read(&list).context(format_args!("the payload has no registry: {}", list.display()))?;
        let registry = serde_json::from_slice(&text).context(list.display())?;
        let content = Arc::new(Content { registry, folder: folder.to_owned() });
        let listener = listen(address).context(format_args!("cannot listen at {address}"))?;
        let address = listener.local_addr().context("no address")?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = Arc::clone(&content);
                // A client that goes away is no matter of ours: it complains itself.
                thread::spawn(move || drop(content.answer(&stream)));
            }
        });
        Ok(Self { address })
    }

    /// Where it answers.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Listens at an address, which becomes one of this machine's where it is none.
fn listen(address: SocketAddrV4) -> Result<TcpListener> {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            answer_at(*address.ip())?;
            Ok(TcpListener::bind(address)?)
        }
        other => Ok(other?),
    }
}

struct Content {
    registry: CarriedRegistry,
    folder: PathBuf,
}

/// What answers a request.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Base,
    File { hex: String, media_type: String },
    Nothing,
}

impl Content {
    /// Answers one request.
    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        (&mut reader).take(LINE).read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (method, target) =
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        for _ in 0..LINES {
            let mut field = String::new();
            if (&mut reader).take(LINE).read_line(&mut field)? == 0 || field.trim().is_empty() {
                break;
            }
        }
        let body = method == "GET";
        if !body && method != "HEAD" {
            return respond(stream, "405 Method Not Allowed", "", "", &mut &b""[..], 0, true);
        }
        match self.find(&target) {
            Found::Base => respond(stream, "200 OK", "application/json", "", &mut &b"{}"[..], 2, body),
            Found::File { hex, media_type } => match File::open(self.folder.join(&hex)) {
                Ok(mut file) => {
                    let size = file.metadata()?.len();
                    let digest = format!("Docker-Content-Digest: sha256:{hex}\r\n");
                    respond(stream, "200 OK", &media_type, &digest, &mut file, size, body)
                }
                Err(_) => nothing(stream, &target, body),
            },
            Found::Nothing => nothing(stream, &target, body),
        }
    }

    fn find(&self, target: &str) -> Found {
        let path = target.split('?').next().unwrap_or_default();
        let Some(path) = path.strip_prefix("/v2/").or_else(|| (path == "/v2").then_some("")) else {
            return Found::Nothing;
        };
        if path.is_empty() {
            return Found::Base;
        }
        if let Some(manifest) = self.registry.manifests.get(path) {
            return Found::File { hex: manifest.digest.hex().to_owned(), media_type: manifest.media_type.clone() };
        }
        match path.rsplit_once("/blobs/sha256:") {
            Some((_, hex)) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Found::File { hex: hex.to_owned(), media_type: "application/octet-stream".to_owned() }
            }
            _ => Found::Nothing,
        }
    }
}

fn nothing(stream: &TcpStream, target: &str, body: bool) -> io::Result<()> {
    let why = serde_json::json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": format!("the payload has no {target}")}]});
    let text = why.to_string();
    let length = text.len() as u64;
    respond(stream, "404 Not Found", "application/json", "", &mut text.as_bytes(), length, body)
}

fn respond(
    mut stream: &TcpStream,
    status: &str,
    media_type: &str,
    more: &str,
    content: &mut dyn Read,
    length: u64,
    body: bool,
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Type: {media_type}\r\n{more}\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if body {
        io::copy(content, &mut stream)?;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use futon_model::CarriedManifest;

    use super::*;

    fn asked(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn manifests_and_blobs_are_answered_as_a_registry_would() {
        let folder = std::env::temp_dir().join(format!("futon-carried-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(
            Carried::serve_at(&folder, "127.0.0.1:0".parse().unwrap()).unwrap_err().to_string().contains("no registry")
        );
        let hex = "a".repeat(64);
        let manifest =
            CarriedManifest { digest: format!("sha256:{hex}").parse().unwrap(), media_type: "application/x".into() };
        let registry =
            CarriedRegistry { manifests: [(CarriedRegistry::address("me/fn", "v1"), manifest)].into_iter().collect() };
        fs::write(folder.join(CarriedRegistry::FILE), serde_json::to_vec(&registry).unwrap()).unwrap();
        fs::write(folder.join(&hex), "content").unwrap();
        let at = Carried::serve_at(&folder, "127.0.0.1:0".parse().unwrap()).unwrap().address();
        assert!(asked(at, "GET /v2/").ends_with("\r\n\r\n{}"));
        let manifest = asked(at, "GET /v2/me/fn/manifests/v1?ns=docker.io");
        assert!(
            manifest.contains("Content-Type: application/x\r\n") && manifest.ends_with("\r\n\r\ncontent"),
            "{manifest}"
        );
        assert!(manifest.contains(&format!("Docker-Content-Digest: sha256:{hex}\r\n")), "{manifest}");
        let head = asked(at, "HEAD /v2/me/fn/manifests/v1");
        assert!(head.contains("Content-Length: 7\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(asked(at, &format!("GET /v2/any/blobs/sha256:{hex}")).ends_with("content"));
        for nothing in [
            "/v2/me/fn/manifests/v2",
            "/v2/x/blobs/sha256:../../etc",
            "/",
            &format!("/v2/x/blobs/sha256:{}", "b".repeat(64)),
        ] {
            assert!(asked(at, &format!("GET {nothing}")).starts_with("HTTP/1.1 404"), "{nothing}");
        }
        assert!(asked(at, "POST /v2/").starts_with("HTTP/1.1 405"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
