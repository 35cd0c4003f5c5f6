//! A small HTTP/1.1 client: one request a connection, over TCP or a Unix socket, every wait limited, bodies streamed.

mod body;
mod client;
mod multipart;
mod stream;
mod target;

pub(crate) use body::Body;
pub(crate) use client::{Payload, Request, Response, send};
pub(crate) use multipart::Multipart;
pub(crate) use stream::Limits;
pub(crate) use target::{Target, percent_encode};
