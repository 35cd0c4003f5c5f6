//! Connecting: try after try until a gRPC server speaks, or time is up.

use std::{error::Error, net::SocketAddr, time::Duration};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tonic::body::Body;

use super::settings::Watched;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of headers or trailers that are taken: what gRPC's C library, and so its Python and C++ clients, take at most. futon's verdict
/// names it.
pub const LONGEST_HEADERS: u32 = 16 << 10;
/// One try; a server may accept and then say nothing, and the next try may fare better.
const TRY: Duration = Duration::from_secs(5);

/// Connects, trying again until `limit` is over.
///
/// # Errors
/// How often it was tried, and how the last try ended.
pub async fn connect(address: SocketAddr, limit: Duration) -> Result<SendRequest<Body>, String> {
    let end = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    let mut tries = 0_u32;
    loop {
        tries += 1;
        let left = end.saturating_duration_since(Instant::now());
        let error = match try_once(address, TRY.min(left)).await {
            Ok(sender) => return Ok(sender),
            Err(error) => error,
        };
        if Instant::now() + pause >= end {
            let limit = humantime::format_duration(limit);
            return Err(format!("no gRPC server at {address} within {limit} ({tries} tries, the last: {error})"));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One try: TCP, HTTP/2, and the server's first frame.
///
/// # Errors
/// What was in the way.
pub async fn try_once(address: SocketAddr, limit: Duration) -> Result<SendRequest<Body>, String> {
    let attempt = async {
        let stream = TcpStream::connect(address).await.map_err(|error| chain(&error))?;
        // Requests are small and wait for each other: no waiting for more to send.
        stream.set_nodelay(true).map_err(|error| chain(&error))?;
        let (stream, sign) = Watched::new(stream);
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .max_header_list_size(LONGEST_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| chain(&error))?;
        // Ends with the connection; what it says, the calls say too.
        tokio::spawn(connection);
        match sign.await {
            Ok(Ok(())) => Ok(sender),
            Ok(Err(reason)) => Err(reason.to_owned()),
            Err(_closed) => Err("the connection broke before the server spoke".to_owned()),
        }
    };
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
