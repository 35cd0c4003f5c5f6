//! Declared calls (`-calls`): bytes that the host made ready are sent, and what comes back is written down. Who judges is the host.

mod describe;
mod drive;
mod grpc;
mod http;
mod link;
mod replies;

pub use describe::describe;
pub use drive::drive;
pub use grpc::{cut_messages, grpc_timeout, status_of_reset};
pub use replies::broken;
