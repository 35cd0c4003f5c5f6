//! What the exchange's tests share: a server on a free port of loopback, real clients, a small image.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

#[path = "../../../image-store/tests/layout/mod.rs"]
mod layout;

use exchange::{ExchangeConfig, serve};
use futon_model::EventKind;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

#[allow(unused_imports, reason = "each test program uses a part of it")]
pub use layout::{Image, config, gzip, image, layer, put_blob, put_image, put_index, sha256, skopeo, tree};

/// Limit for anything that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A running exchange, ended with the value.
pub struct Server {
    pub address: std::net::SocketAddr,
    pub scratch: tempfile::TempDir,
    runtime: Option<tokio::runtime::Runtime>,
    stop: CancellationToken,
    serving: Option<tokio::task::JoinHandle<Result<(), exchange::ExchangeError>>>,
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
