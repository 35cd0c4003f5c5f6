//! One gRPC connection, and calls over it.

mod address;
mod client;
mod connect;
mod settings;

pub use address::resolve;
pub use client::{CallError, Client, Reply};
pub use connect::connect;
