//! Connecting: try after try until a gRPC server speaks, or time is up.

use std::{error::Error, net::SocketAddr, time::Duration};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tonic::body::Body;

use super::settings::Watched;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of headers or trailers that are taken: what gRPC's C library, and so its Python and C++ clients, take at most. futon's verdict
/// names it.
const LONGEST_HEADERS: u32 = 16 << 10;
/// Bytes that a server may send before they are read. Half of that is how many h2 lets small frames cost that nobody reads any more, as after
/// a stream that was cancelled.
const WINDOW: u32 = 64 << 20;
/// One try; a server may accept and then say nothing, and the next try may fare better.
const TRY: Duration = Duration::from_secs(5);

/// Connects, trying again until `limit` is over.
///
/// # Errors
/// How often it was tried, and how the last try ended.
pub async fn connect(address: SocketAddr, limit: Duration) -> Result<SendRequest<Body>, String> {
    keep_trying("gRPC", address, limit, async |left| try_once(tcp(address), left).await).await
}

/// Makes attempts until one succeeds or `limit` is over; each gets the time that it may take. `what` is what is connected to.
///
/// # Errors
/// How often it was tried, and how the last try ended.
pub async fn keep_trying<T>(
    what: &str,
    address: SocketAddr,
    limit: Duration,
    mut attempt: impl AsyncFnMut(Duration) -> Result<T, String>,
) -> Result<T, String> {
    let end = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    let mut tries = 0_u32;
    let mut last = None;
    loop {
        tries += 1;
        let left = end.saturating_duration_since(Instant::now());
        let error = match attempt(TRY.min(left)).await {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        // A try that the end cuts short says less than the one before it.
        let error = last.take().filter(|_| left < LONGEST_PAUSE).unwrap_or(error);
        if Instant::now() + pause >= end {
            let limit = humantime::format_duration(limit);
            return Err(format!("no {what} server at {address} within {limit} ({tries} tries, the last: {error})"));
        }
        last = Some(error);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One try: a stream, HTTP/2 on it, and the server's first frame.
///
/// # Errors
/// What was in the way.
pub async fn try_once<S, B>(
    open: impl Future<Output = Result<S, String>>,
    limit: Duration,
) -> Result<SendRequest<B>, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    within(limit, async {
        let (stream, sign) = Watched::new(open.await?);
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .max_header_list_size(LONGEST_HEADERS)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| chain(&error))?;
        // Ends with the connection; what it says, the calls say too.
        let connected = tokio::spawn(connection);
        match sign.await {
            Ok(Ok(())) => Ok(sender),
            Ok(Err(reason)) => Err(reason.to_owned()),
            Err(_closed) => {
                let why = match connected.await {
                    Ok(Err(error)) => format!(": {}", chain(&error)),
                    _ => String::new(),
                };
                Err(format!("the connection broke before the server spoke{why}"))
            }
        }
    })
    .await
}

/// A TCP connection to a server of small requests.
///
/// # Errors
/// What was in the way.
pub async fn tcp(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| chain(&error))?;
    // Requests are small and wait for each other: no waiting for more to send.
    stream.set_nodelay(true).map_err(|error| chain(&error))?;
    Ok(stream)
}

/// An attempt with a limit.
///
/// # Errors
/// Those of the attempt, and that the server did not speak in time.
pub async fn within<T>(limit: Duration, attempt: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_elapsed) => Err(format!("the server did not speak within {}", humantime::format_duration(limit))),
    }
}

/// An error with all its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
