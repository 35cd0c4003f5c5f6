//! What to test: compose files and function lists.
//!
//! Docker Compose reads a compose file once; a [`Selection`] holds everything that it means for one function.

mod canonical;
mod compose;
mod engine;
mod guest_file;
mod handover;
mod list;
mod mentions;
mod proof;
mod relay;
mod select;
mod target;
mod turns;

pub use compose::{Compose, Declared, FunctionHints, Service, calls_error};
pub use handover::{Entry, GUEST_FOLDER, Handover, Origin};
pub use list::parse_list;
pub use select::{Selection, client_name, select};
pub use target::{ClientDefaults, Target, Way, tcp_port};
pub use turns::{name_in_turn, select_in_turn};
