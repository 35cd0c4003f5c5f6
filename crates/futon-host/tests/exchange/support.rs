//! What the exchange's tests share: a server on a free port of loopback, real clients, a small image.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futon_host::exchange::{ExchangeConfig, serve};
use futon_model::EventKind;
use sha2::Digest as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Limit for anything that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A running exchange, ended with the value.
pub struct Server {
    pub address: std::net::SocketAddr,
    pub scratch: tempfile::TempDir,
    runtime: Option<tokio::runtime::Runtime>,
    stop: CancellationToken,
    serving: Option<tokio::task::JoinHandle<Result<(), futon_host::exchange::ExchangeError>>>,
    events: UnboundedReceiver<EventKind>,
}

impl Server {
    /// Starts an exchange; `configure` gets an empty scratch folder and the way for events.
    pub fn start(configure: impl FnOnce(&Path, UnboundedSender<EventKind>) -> ExchangeConfig) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let (sender, events) = unbounded_channel();
        let config = configure(scratch.path(), sender);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = CancellationToken::new();
        let serving = Some(runtime.spawn(serve(listener, config, stop.clone())));
        Self { address, scratch, runtime: Some(runtime), stop, serving, events }
    }

    /// A folder served as it is, with these files in it.
    pub fn folder(files: &[(&str, &str)]) -> Self {
        Self::start(|scratch, events| {
            let folder = scratch.join("served");
            std::fs::create_dir(&folder).unwrap();
            for (name, text) in files {
                std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
                std::fs::write(folder.join(name), text).unwrap();
            }
            ExchangeConfig::folder(folder, events)
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn served(&self, name: &str) -> PathBuf {
        self.scratch.path().join("served").join(name)
    }

    /// A connection to speak HTTP by hand.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Waits for the first event that fits; those before it are dropped.
    pub fn wait_event(&mut self, mut fits: impl FnMut(&EventKind) -> bool) -> EventKind {
        let end = Instant::now() + LIMIT;
        let runtime = self.runtime.as_ref().unwrap();
        let mut seen = Vec::new();
        loop {
            let next = runtime.block_on(async { tokio::time::timeout(end - Instant::now(), self.events.recv()).await });
            match next {
                Ok(Some(event)) if fits(&event) => return event,
                Ok(Some(event)) => seen.push(event),
                _ => panic!("the event never came; these did: {seen:#?}"),
            }
        }
    }

    /// The events that have been told so far.
    pub fn events(&mut self) -> Vec<EventKind> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Stops it, and says how long that took.
    pub fn stop(&mut self) -> Duration {
        let start = Instant::now();
        self.stop.cancel();
        if let (Some(serving), Some(runtime)) = (self.serving.take(), &self.runtime) {
            let ended = runtime.block_on(async { tokio::time::timeout(LIMIT, serving).await });
            ended.expect("the exchange ends").expect("without a panic").expect("and without an error");
        }
        start.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LIMIT);
        }
    }
}

/// What curl got.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub body: Vec<u8>,
    pub headers: String,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Runs curl in `folder`.
pub fn curl_in(folder: &Path, arguments: &[&str]) -> Got {
    let out = tempfile::tempdir().unwrap();
    let (body, headers) = (out.path().join("body"), out.path().join("headers"));
    let output = Command::new("curl")
        .current_dir(folder)
        .args(["-s", "--path-as-is", "--max-time", "20", "-w", "%{http_code}"])
        .args(["-o".as_ref(), body.as_os_str(), "-D".as_ref(), headers.as_os_str()])
        .args(arguments)
        .output()
        .expect("curl is installed");
    let status = String::from_utf8_lossy(&output.stdout).parse().unwrap();
    let headers = std::fs::read_to_string(headers).unwrap_or_default().to_lowercase();
    Got { status, body: std::fs::read(body).unwrap_or_default(), headers }
}

/// Runs curl.
pub fn curl(arguments: &[&str]) -> Got {
    curl_in(Path::new("/"), arguments)
}

/// Every file below a folder with its content, sorted.
pub fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read(entry.path()).unwrap_or_default()));
            }
        }
    }
    files.sort();
    files
}

/// Runs skopeo; panics with what it said when it fails.
pub fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).output().unwrap();
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// A small image, as an OCI layout in a folder. Different texts give different images.
pub struct Image {
    pub layout: PathBuf,
    pub manifest: String,
    pub config: String,
    pub layers: Vec<String>,
}

pub fn layer(name: &str, text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    tar.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn put_blob(layout: &Path, bytes: &[u8]) -> String {
    let digest = sha256(bytes);
    let folder = layout.join("blobs/sha256");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&digest[7..]), bytes).unwrap();
    digest
}

pub fn config(arch: &str, diff_ids: &[String]) -> Vec<u8> {
    serde_json::json!({"architecture": arch, "os": "linux", "config": {"Cmd": ["/server"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string()
    .into_bytes()
}

/// Writes one image's blobs; gives its manifest's descriptor.
pub fn put_image(layout: &Path, arch: &str, text: &str) -> (serde_json::Value, Image) {
    let plain = [layer("base", "the same in all"), layer("function", text), layer("base", "the same in all")];
    let packed: Vec<Vec<u8>> = plain.iter().map(|l| gzip(l)).collect();
    let diff_ids: Vec<String> = plain.iter().map(|l| sha256(l)).collect();
    let config_bytes = config(arch, &diff_ids);
    let config = put_blob(layout, &config_bytes);
    let layers: Vec<String> = packed.iter().map(|l| put_blob(layout, l)).collect();
    let descriptors: Vec<_> = packed
        .iter()
        .zip(&layers)
        .map(|(l, d)| serde_json::json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": d, "size": l.len()}))
        .collect();
    let manifest_bytes = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_bytes.len()},
        "layers": descriptors})
    .to_string();
    let manifest = put_blob(layout, manifest_bytes.as_bytes());
    let descriptor = serde_json::json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest,
        "size": manifest_bytes.len(), "platform": {"os": "linux", "architecture": arch}});
    (descriptor, Image { layout: layout.to_owned(), manifest, config, layers })
}

pub fn put_index(layout: &Path, entries: &[serde_json::Value]) {
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": entries});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

/// An image whose function layer holds `text`.
pub fn image(layout: &Path, text: &str) -> Image {
    let (descriptor, image) = put_image(layout, "amd64", text);
    put_index(layout, &[descriptor]);
    image
}
