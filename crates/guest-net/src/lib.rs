//! What futon's guest tool needs of the network, as it has no name service and no other programs: a small HTTP client, the wait until a
//! server is ready with the reason why it is not, the gateway, the kernel's routing sockets, and a name server's answers.
#![warn(missing_docs)]

mod error;
pub mod http;
pub mod names;
pub mod netlink;
pub mod ready;
pub mod route;
#[cfg(test)]
mod test_ports;

pub use error::{Context, Error, Result};
