//! HTTP/2 as a client of many small calls on one connection needs it (RFC 9113): frames in, frames out, no input or output of its own,
//! and no allocation for a call once its buffers have grown.

mod connection;
mod frame;
mod hpack;
mod receive;
mod request;
mod streams;

pub use connection::Http2;
pub use request::Requests;
