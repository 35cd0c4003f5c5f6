//! What to test: compose files and function lists.

mod compose;
mod engine;
mod list;
mod select;
mod settings;
mod values;

pub use compose::{Compose, FunctionHints, Service};
pub use engine::engine_requests;
pub use list::parse_list;
pub use select::{ClientDefaults, Selection, client_name, select};
