//! Reports: they only read events and verdicts, and never reach back into the run.

mod build;
mod html;
mod junit;
mod load;
mod table;
mod tails;

pub use build::{RunMeta, function_report, report, write_report};
pub use junit::junit;
pub use table::{step_line, summary_line};
pub use tails::TAIL_SHOWN;
