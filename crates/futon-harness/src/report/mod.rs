//! Reports: they only read events and verdicts, and never reach back into the run.

mod build;
mod html;
mod junit;
mod load;
mod table;
mod tails;
mod trend;

pub use build::{RunMeta, function_report, report, write_report};
pub use junit::junit;
pub use table::{step_line, stress_line, summary_line};
pub use tails::TAIL_SHOWN;
pub use trend::{rate_words, trend_page};
