//! The flags of a load.

use std::time::Duration;

use clap::{ArgAction, Args};
use futon_model::{LoadPlan, Rate};

/// How calls are sent with `-load`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadFlags {
    /// Put a load on the function: calls for -duration, at once (-concurrency) or at given times (-rate)
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = super::values::boolean)]
    pub load: bool,
    /// Connections
    #[arg(long, default_value = "1", value_name = "INT", value_parser = some)]
    pub connections: u32,
    /// Maximum calls in flight, over all connections [default: one per connection; with -rate 10000]
    #[arg(long, value_name = "INT", value_parser = some)]
    pub concurrency: Option<u32>,
    /// Calls per second, sent on time even if earlier ones have not ended: 500, in steps 100,200,400, or rising 100..1000
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// How long to send measured calls
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = super::values::limit)]
    pub duration: Duration,
    /// How long to send warm-up calls before that
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub warmup: Duration,
    /// Print the result as JSON
    #[arg(long, action = ArgAction::Set, default_value = "false", value_parser = super::values::boolean)]
    pub json: bool,
}

fn some(text: &str) -> Result<u32, String> {
    match super::values::int(text).map(u32::try_from)? {
        Ok(count) if (1..=10_000).contains(&count) => Ok(count),
        _ => Err("must be 1 to 10000".to_owned()),
    }
}

impl LoadFlags {
    /// The plan that the flags make.
    pub fn plan(&self) -> Option<LoadPlan> {
        self.load.then(|| LoadPlan {
            connections: self.connections,
            concurrency: self.concurrency,
            rate: self.rate.clone(),
            duration: self.duration,
            warmup: self.warmup,
            thresholds: Vec::new(),
            emulated: false,
        })
    }
}
