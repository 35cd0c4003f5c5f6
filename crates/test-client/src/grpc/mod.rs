//! One gRPC connection, and calls over it; or their other side.

mod address;
mod client;
mod connect;
mod serve;
mod settings;
mod tls;

pub use address::{parse, resolve};
#[cfg(test)]
pub use client::Reply;
pub use client::{Answer, Ask, CallError, Client, Transport};
pub use connect::{chain, connect, keep_trying, tcp, try_once, within};
pub use serve::serve;
pub use tls::{Secure, Stream, chosen};
