//! What the user sees: progress on standard error, results on standard output.

mod load;
mod progress;
mod result;
mod width;

pub use progress::Ui;
pub use result::brief;
pub use width::{columns, wrap};
