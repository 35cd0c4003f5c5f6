//! A small HTTP/1.1 client: one request a connection, over TCP or a Unix socket, every wait limited, bodies streamed.

mod body;
mod client;
mod multipart;
mod stream;
mod target;

pub use body::Body;
pub use client::{Payload, Request, Response, send};
pub use multipart::Multipart;
pub use stream::Limits;
pub use target::{Target, percent_encode};
