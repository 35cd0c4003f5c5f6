//! `futon guard`: see `futon_machine`.

use std::process::ExitCode;

use futon_machine::{GuardArguments, run_guard};

use crate::cli::GuardArgs;

/// Guards a machine. futon itself starts this, with a socket to talk over.
pub fn guard(args: &GuardArgs) -> ExitCode {
    let Ok(arguments) = serde_json::from_str::<GuardArguments>(&args.arguments) else {
        return futon_model::ExitCode::Usage.into();
    };
    match run_guard(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => futon_model::ExitCode::Infra.into(),
    }
}
