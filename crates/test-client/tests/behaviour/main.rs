//! The real binary against servers that behave in every way a function under test may: what it
//! says, how it exits, and what its report holds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod command_line;
mod connecting;
mod declared;
mod describe;
mod load;
mod replies;
mod server;
mod tls;
