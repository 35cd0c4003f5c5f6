//! What an exchange serves, where uploads go, and its limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futon_model::EventKind;
use tokio::sync::mpsc::UnboundedSender;

use image_store::ImageStore;

/// Where the files that guests may GET come from.
#[derive(Debug, Clone)]
pub enum FileSource {
    /// A folder, served as it is, subfolders included. Links that lead out of it are not followed.
    Folder(PathBuf),
    /// Exactly these: name as in the address, without the leading slash, to the file on the host.
    Named(BTreeMap<String, PathBuf>),
}

/// Everything one exchange needs to know.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// What is served.
    pub files: FileSource,
    /// Where uploads are kept; made when it is not there. Uploads can be read back by GET.
    pub uploads: PathBuf,
    /// The run's token: senders that know it are authentic.
    pub token: Option<String>,
    /// The file served as `run.sh`, with the token put in once. Without it `run.sh` is a file like any other.
    pub run_script: Option<PathBuf>,
    /// Whether a guest that asks for work must wait.
    pub parking: Parking,
    /// Limits on sizes, counts and waits.
    pub limits: ExchangeLimits,
    /// Where the registry's images come from; without it there is no registry.
    pub store: Option<Arc<ImageStore>>,
    /// Receives all events. If the receiver is gone, the exchange continues.
    pub events: UnboundedSender<EventKind>,
}

impl ExchangeConfig {
    /// `futon serve DIR`: the folder is served, and uploads land in it.
    #[must_use]
    pub fn folder(folder: impl Into<PathBuf>, events: UnboundedSender<EventKind>) -> Self {
        let folder = folder.into();
        Self { files: FileSource::Folder(folder.clone()), ..Self::run(BTreeMap::new(), folder, events) }
    }

    /// A run: these files, uploads apart from them.
    #[must_use]
    pub fn run(
        files: BTreeMap<String, PathBuf>,
        uploads: impl Into<PathBuf>,
        events: UnboundedSender<EventKind>,
    ) -> Self {
        Self {
            files: FileSource::Named(files),
            uploads: uploads.into(),
            token: None,
            run_script: None,
            parking: Parking::No,
            limits: ExchangeLimits::default(),
            store: None,
            events,
        }
    }
}

/// Whether a guest that asks for work must wait, to be saved as a warm base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parking {
    /// It gets the run script.
    No,
    /// It must wait.
    Yes,
    /// It gets the run script once, and must wait when it asks again.
    AfterScript,
}

/// How much one kind of sender may upload in the exchange's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Size of one file, bytes.
    pub file_bytes: u64,
    /// Size of all files together, bytes.
    pub total_bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Requests that upload at the same time.
    pub at_once: usize,
}

/// Limits of an exchange. Every wait for a guest has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// For senders that know the token, and for all senders if there is none.
    pub quota: Quota,
    /// For senders that do not know the token; counted apart, so that they cannot starve the run's own.
    pub anonymous: Quota,
    /// Size of one event request, bytes.
    pub event_body: u64,
    /// How many events senders without the token can cause; later requests are served but not reported.
    pub anonymous_events: u64,
    /// Connections at the same time. When all are taken, idle ones are closed.
    pub connections: usize,
    /// Wait for a request's header, and for the next request on an open connection.
    pub header: Duration,
    /// Wait for the next piece of a request's body, and for a client to take the next piece of an answer.
    pub idle: Duration,
    /// Life of a connection, however busy it is.
    pub connection: Duration,
    /// Time for requests in progress when the exchange must stop.
    pub grace: Duration,
}

impl Default for ExchangeLimits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            quota: Quota { file_bytes: 16 * GIB, total_bytes: 64 * GIB, files: 10_000, at_once: 64 },
            anonymous: Quota { file_bytes: GIB, total_bytes: 4 * GIB, files: 1_000, at_once: 16 },
            event_body: 1 << 20,
            anonymous_events: 20_000,
            connections: 256,
            header: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            connection: Duration::from_secs(3600),
            grace: Duration::from_secs(2),
        }
    }
}
