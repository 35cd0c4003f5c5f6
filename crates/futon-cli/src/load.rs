//! `futon load`: flags.

use std::time::Duration;

use clap::Args;
use futon_model::{LoadPlan, Rate, Threshold};

use super::{
    CallArgs, ChosenArgs, ClientArgs, MachineArgs, OutputArgs, ProjectArgs, ResourcesArg, ShardArgs, TestArgs,
};

/// `futon load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Function: a compose service, an image name, or an image archive, as in ./my-function.tar
    #[arg(value_name = "FUNCTION")]
    pub function: String,
    /// How calls are sent
    #[command(flatten)]
    pub how: LoadHow,
    /// The test client's name for the function, if it declares no calls [default: service name, image's base name]
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Input of a built-in client's calls [default: 1]
    #[arg(long, value_name = "VALUE")]
    pub input: Option<String>,
    /// Seed of random inputs
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Length of the list of declared calls: it is repeated up to this many [default: the list once]
    #[arg(long, short = 'n', value_name = "N")]
    pub invocations: Option<u64>,
    /// Calls to make
    #[command(flatten)]
    pub calls: CallArgs,
    /// Reports
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where resources are
    #[command(flatten)]
    pub resources: ResourcesArg,
    /// What to test
    #[command(flatten)]
    pub project: ProjectArgs,
    /// The machine
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// How calls are sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadHow {
    /// Maximum calls in flight, over all connections [default: one per connection; with --rate 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: Option<u32>,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Calls per second, sent on time even if earlier ones have not ended: 500, in steps 100,200,400, or rising 100..1000
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// How long to send measured calls
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = some)]
    pub duration: Duration,
    /// How long to send warm-up calls before that
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub warmup: Duration,
    /// Latency that must not be exceeded: mean, p50, p90, p99, p99.9, p99.99 or max, as in p99=20ms
    #[arg(long, value_name = "WHICH=TIME")]
    pub max: Vec<Threshold>,
    /// Apply --max even if the machine is emulated, where latencies say little
    #[arg(long, requires = "max")]
    pub emulated: bool,
}

fn some(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be more than 0".to_owned()),
        Ok(length) => Ok(length),
        Err(error) => Err(format!("{error}; write 500ms, 10s or 2m")),
    }
}

impl LoadHow {
    /// The flags as a plan.
    pub fn plan(&self) -> LoadPlan {
        LoadPlan {
            connections: self.connections,
            concurrency: self.concurrency,
            rate: self.rate.clone(),
            duration: self.duration,
            warmup: self.warmup,
            thresholds: self.max.clone(),
            emulated: self.emulated,
        }
    }
}

impl LoadArgs {
    /// A load is a test of one function, with other calls.
    pub fn test(self) -> TestArgs {
        let client = ClientArgs {
            invocations: self.invocations,
            warmup: None,
            client: self.client,
            method: None,
            input: self.input,
            gen_type: None,
            seed: self.seed,
            calls: self.calls,
            load: Some(self.how.plan()),
        };
        TestArgs {
            chosen: ChosenArgs { names: vec![self.function], ..ChosenArgs::default() },
            jobs: Some(1),
            retries: 0,
            stress: None,
            from_cache: false,
            fail_fast: false,
            shards: ShardArgs::default(),
            output: self.output,
            resources: self.resources,
            project: self.project,
            client,
            machine: self.machine,
        }
    }
}
