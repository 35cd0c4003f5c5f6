//! The server: a socket that is there already, a bounded number of connections, a clean end.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::{ExchangeConfig, FileSource};
use super::connection::{Busy, Patient, Usage};
use super::error::ExchangeError;
use super::route;
use super::state::State;

/// Largest piece that is read from a connection at once, bytes.
const READ_BUFFER: usize = 512 << 10;

/// Pause after the system refused a connection (no file handles, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often room is looked for while all connections are taken.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection has to be idle to be closed then.
const IDLE_WHEN_FULL: Duration = Duration::from_millis(500);

/// Serves until `stop` is cancelled; requests in progress then get a short grace.
///
/// The listener may come from another network namespace: it is used as it is.
///
/// # Errors
/// The listener cannot be used, or a folder is missing and cannot be made. Once it serves, nothing that a
/// guest does ends it.
pub async fn serve(
    listener: TcpListener,
    config: ExchangeConfig,
    stop: CancellationToken,
) -> Result<(), ExchangeError> {
    listener.set_nonblocking(true).map_err(ExchangeError::Listener)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ExchangeError::Listener)?;
    let folder = |path: &std::path::Path, cause| ExchangeError::Folder { path: path.to_owned(), cause };
    std::fs::create_dir_all(&config.uploads).map_err(|e| folder(&config.uploads, e))?;
    if let FileSource::Folder(path) = &config.files {
        std::fs::read_dir(path).map_err(|e| folder(path, e))?;
    }
    let limits = config.limits;
    let state = State::new(config);
    let open = Arc::new(Open::default());
    let mut connections = JoinSet::new();
    let mut id = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, _)) => {
                    id += 1;
                    let usage = Usage::new();
                    let entry = open.enter(id, &usage);
                    connections.spawn(connection(stream, Arc::clone(&state), usage, entry, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the exchange cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = tokio::time::sleep(FULL_PAUSE), if connections.len() >= limits.connections => open.close_idle(),
        }
    }
    drop(listener);
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, all_done).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

async fn connection(stream: TcpStream, state: Arc<State>, usage: Arc<Usage>, entry: Entry, stop: CancellationToken) {
    let limits = state.config.limits;
    // Answers are small or whole chunks: waiting to fill packets only costs time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let (state, busy) = (Arc::clone(&state), Busy::new(&usage));
        async move {
            let mut answer = route::answer(&state, request).await;
            answer.body_mut().hold(busy);
            Ok::<_, Infallible>(answer)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .half_close(true)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(Patient::new(stream, limits.idle)), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = entry.closed.cancelled() => return,
        () = tokio::time::sleep(limits.connection) => return,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the exchange broke");
    }
}

/// The open connections.
#[derive(Debug, Default)]
struct Open(Mutex<BTreeMap<u64, (Arc<Usage>, CancellationToken)>>);

impl Open {
    fn enter(self: &Arc<Self>, id: u64, usage: &Arc<Usage>) -> Entry {
        let closed = CancellationToken::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (Arc::clone(usage), closed.clone()));
        Entry { open: Arc::clone(self), id, closed }
    }

    /// Makes room by closing connections that have no request: clients open another when they need it.
    /// A connection that was just opened is about to send a request, and is left alone.
    fn close_idle(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |usage: &Usage| usage.idle_for().is_some_and(|time| time >= IDLE_WHEN_FULL);
        open.values().filter(|(usage, _)| idle(usage)).for_each(|(_, closed)| closed.cancel());
    }
}

/// A connection's place in the list.
#[derive(Debug)]
struct Entry {
    open: Arc<Open>,
    id: u64,
    closed: CancellationToken,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.open.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
