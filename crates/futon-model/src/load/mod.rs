//! Load: how calls are sent, and what became of them.

mod latency;
mod plan;
mod rate;
mod report;
mod threshold;

pub use latency::LoadLatency;
pub use plan::LoadPlan;
pub use rate::{Rate, RateError};
pub use report::{LOAD_SCHEMA, LoadPoint, LoadReport, LoadSecond};
pub use threshold::{Measure, Threshold, ThresholdError};
