//! How functions are invoked.

use clap::Args;
use futon_model::{GenType, LoadPlan};

use super::CallArgs;

/// How to invoke.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientArgs {
    /// Verified invocations per function [default: 20; for declared calls, each call once]
    #[arg(long, short = 'n', value_name = "N")]
    pub invocations: Option<u64>,
    /// Warm-up invocations per function [default: 0]
    #[arg(long, short = 'w', value_name = "N")]
    pub warmup: Option<u64>,
    /// The test client's name for the function [default: service name, image's base name]
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Method to call, by name or number [default: 0]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Input of the calls [default: 1]
    #[arg(long, value_name = "VALUE")]
    pub input: Option<String>,
    /// How inputs are made [default: unique]
    #[arg(long, value_name = "HOW", value_parser = gen_type_parser())]
    pub gen_type: Option<GenType>,
    /// Seed of random inputs
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Calls to make
    #[command(flatten)]
    pub calls: CallArgs,
    /// How a load sends calls (`futon load`)
    #[arg(skip)]
    pub load: Option<LoadPlan>,
}

/// Takes the words of [`GenType`], and shows them in help and completions.
fn gen_type_parser() -> impl clap::builder::TypedValueParser<Value = GenType> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(GenType::ALL.map(GenType::word)).try_map(|word| word.parse())
}
