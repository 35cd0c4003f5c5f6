//! What the user sees: progress on standard error, results on standard output.
#![warn(missing_docs)]

mod events;
mod load;
mod progress;
mod result;
mod sink;
mod width;

pub use progress::Ui;
pub use result::brief;
pub use sink::Told;
pub use width::{columns, wrap};
