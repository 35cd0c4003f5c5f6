//! futon's engine: from a plan to a report.
//!
//! The folders are the nouns of the story told in `docs/architecture.md`: resources, functions, working
//! directory, exchange, machine, run, verdict, report. Nothing here prints or exits; the program `futon` does.
#![warn(missing_docs)]

pub mod bundle;
pub mod config;
mod error;
pub mod exchange;
pub mod functions;
pub mod machine;
pub mod report;
pub mod resources;
pub mod run;
pub mod stats;
pub mod text;
pub mod verdict;
pub mod workdir;

pub use error::{Context, Error, Result};
