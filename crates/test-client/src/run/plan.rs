//! The calls that a run is to make.

use std::time::Duration;

use calls::oracle::Function;

/// What to call, and how often.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The function.
    pub function: Function,
    /// Measured calls.
    pub measured: u64,
    /// Warm-up calls.
    pub warmups: u64,
    /// Pause before every call but the first.
    pub pause: Duration,
    /// Limit of one call.
    pub limit: Duration,
    /// Whether replies are compared.
    pub verify: bool,
    /// Whether a greeting goes before all other calls.
    pub greets: bool,
}
