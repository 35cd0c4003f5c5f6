//! The working directory of a run: what the guest may fetch, the disk, the plan, and the results.

mod carried;
mod cell;
pub mod config;
mod declared;
mod dir;
mod env;
mod load;
mod lock;
mod names;
mod plan;
mod script;
pub mod settings;
mod travel;
mod witness;

pub use cell::{CellParts, cell};
pub use declared::{client_report, expected_failure};
pub use dir::{Contents, GuestTools, WorkDir};
pub use load::load_report;
pub use lock::{FolderLock, LOCK_FILE};
pub use names::{LOAD, REPLIES};
pub use plan::{PlanRequest, container_port, foreign_plan, function_plan};
pub use script::{DEFAULT_TEMPLATE, IMAGE_PLACEHOLDER, LEAN_TEMPLATE, exec_script};

#[cfg(test)]
#[path = "../../futon-model/tests/sample/mod.rs"]
mod sample;
