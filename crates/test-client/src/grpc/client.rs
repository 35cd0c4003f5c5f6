//! Unary calls, one at a time, each with a limit.

use std::{
    fmt,
    net::SocketAddr,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Request, Response, Uri, uri::PathAndQuery};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use tokio::time::timeout;
use tonic::{Code, Status, body::Body, client::Grpc, codegen::Service};
use tonic_prost::ProstCodec;

use super::connect::{chain, tcp, try_once};

/// Request of every service here: one string.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Ask {
    /// Name, plaintext, token, number.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// Reply of every service here: one string.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Answer {
    /// What the function says.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// A reply, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its text.
    pub text: String,
    /// From the request to the reply, both whole.
    pub took: Duration,
}

/// A call without a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// No reply in time.
    Deadline(Duration),
    /// An error status.
    Status {
        /// As gRPC writes it, such as `UNAVAILABLE`.
        code: &'static str,
        /// What the server, or the library, says.
        message: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(limit) => {
                write!(out, "no reply within {}", humantime::format_duration(*limit))
            }
            Self::Status { code, message } if message.is_empty() => write!(out, "status {code}"),
            Self::Status { code, message } => write!(out, "status {code}: {message}"),
        }
    }
}

/// Makes calls.
pub trait Transport {
    /// Sends `text` and waits for the reply, at most `limit` long.
    async fn call(&mut self, text: &str, limit: Duration) -> Result<Reply, CallError>;
}

/// Calls one method of one server.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    path: PathAndQuery,
    sender: SendRequest<Body>,
}

impl Client {
    /// Calls `path` over an open connection.
    pub fn new(address: SocketAddr, path: &'static str, sender: SendRequest<Body>) -> Self {
        Self { address, path: PathAndQuery::from_static(path), sender }
    }

    async fn exchange(&mut self, text: &str) -> Result<Reply, Status> {
        let origin = Uri::builder()
            .scheme("http")
            .authority(self.address.to_string())
            .path_and_query("/")
            .build()
            .map_err(|error| Status::internal(error.to_string()))?;
        let mut grpc = Grpc::with_origin(Wire(self.sender.clone()), origin);
        let start = Instant::now();
        grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
        let request = tonic::Request::new(Ask { text: text.to_owned() });
        let codec = ProstCodec::<Ask, Answer>::default();
        let answer = grpc.unary(request, self.path.clone(), codec).await?;
        Ok(Reply { text: answer.into_inner().text, took: start.elapsed() })
    }
}

impl Transport for Client {
    /// A connection that is gone is opened once more before the call, outside its latency.
    async fn call(&mut self, text: &str, limit: Duration) -> Result<Reply, CallError> {
        if self.sender.is_closed() {
            self.sender = try_once(tcp(self.address), limit).await.map_err(|reason| {
                let message = format!("connection lost, and reconnecting failed: {reason}");
                CallError::Status { code: name(Code::Unavailable), message }
            })?;
        }
        match timeout(limit, self.exchange(text)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(status)) => Err(self.explain(&status)),
            Err(_elapsed) => Err(CallError::Deadline(limit)),
        }
    }
}

impl Client {
    /// The library's own words for a lost connection vary; gRPC's is UNAVAILABLE.
    fn explain(&self, status: &Status) -> CallError {
        let lost = self.sender.is_closed();
        let message = match std::error::Error::source(status) {
            Some(cause) => chain(cause),
            None => status.message().to_owned(),
        };
        if lost {
            let code = name(Code::Unavailable);
            CallError::Status { code, message: format!("the connection was lost: {message}") }
        } else {
            CallError::Status { code: name(status.code()), message }
        }
    }
}

/// The connection as tonic wants it.
struct Wire(SendRequest<Body>);

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
