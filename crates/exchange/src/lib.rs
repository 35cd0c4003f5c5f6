//! The exchange: guest and host communicate over one HTTP port.
//!
//! Role: serve files, the run script and function images; take uploads and step events; tell all of it as
//! typed events. Boundary: it judges nothing and starts nothing. The table of answers, beside those of the
//! Python upload server, is `docs/exchange.md`.
#![doc = include_str!("../README.md")]

mod archive;
mod body;
mod config;
mod connection;
mod error;
mod events;
mod files;
mod folder;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod listing;
mod multipart;
mod names;
mod put;
mod quota;
mod range;
mod registry;
mod route;
mod script;
mod send;
mod server;
mod state;
mod upload;

pub use config::{ExchangeConfig, ExchangeLimits, FileSource, Parking, Quota};
pub use error::ExchangeError;
pub use server::serve;
