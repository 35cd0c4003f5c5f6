//! What a load calls.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::h2::Requests;
use super::http1::Request;
use crate::grpc::Secure;

/// The requests, as a protocol has them.
#[derive(Debug, Clone)]
pub enum Kind {
    /// HTTP/1.1.
    Http1(Rc<Vec<Request>>),
    /// HTTP/2, gRPC or not.
    Http2(Rc<Requests>),
}

/// What is called, and for how long a call is waited for.
#[derive(Debug)]
pub struct Target<'a> {
    /// Where.
    pub address: SocketAddr,
    /// Whether and how connections are secured.
    pub secure: Option<Secure>,
    /// Requests.
    pub kind: Kind,
    /// Calls of the list, in the order in which they go round.
    pub sequence: &'a [u32],
    /// gRPC's own deadline of each call of the list.
    pub deadlines: &'a [Option<Duration>],
    /// The client's limit of a call.
    pub limit: Duration,
}
