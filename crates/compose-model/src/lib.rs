//! A compose file as Docker Compose reads it, as Rust types.
//!
//! Role: ask Docker Compose what a file means (`docker-compose config --format json`), and hand its answer out as one typed model:
//! [`Project`] with its [`Service`]s, networks, volumes, configs and secrets. Variables, `.env`, `env_file`, `extends`, `include`,
//! merge keys and the schema are Compose's; so are the words in which it refuses a file.
//!
//! Boundary: reads files and starts that one program; reaches no Docker daemon and no network, and runs no container.
#![doc = include_str!("../README.md")]
#![warn(missing_docs, clippy::exhaustive_enums)]

mod check;
mod dollar;
mod error;
mod load;
mod order;
mod parts;
mod places;
mod printed;
mod program;
mod project;
mod service;
mod units;

pub use check::Conflict;
pub use dollar::{escape, unescape};
pub use error::LoadError;
pub use load::Loader;
pub use order::OrderError;
pub use parts::{
    Condition, Dependency, Deploy, DeployResources, Healthcheck, Logging, Mount, MountBind, MountTmpfs, MountVolume,
    Port, Protocol, Resource, RestartPolicy, ServiceFile, ServiceNetwork, Ulimit,
};
pub use places::{Place, Places};
pub use project::{FileObject, Ipam, IpamPool, Network, Project, Volume};
pub use service::{Service, assignment};
pub use units::{GoDuration, parse_duration};
