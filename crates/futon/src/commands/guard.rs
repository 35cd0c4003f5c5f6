//! `futon guard` and `futon shim`, which futon itself starts: see `futon_machine` and `freezer`.

use std::process::ExitCode;

use futon_cli::GuardArgs;
use futon_machine::{GuardArguments, run_guard};

/// Guards a machine. It is started with a socket to talk over.
pub fn guard(args: &GuardArgs) -> ExitCode {
    let Ok(arguments) = serde_json::from_str::<GuardArguments>(&args.arguments) else {
        return futon_model::ExitCode::Usage.into();
    };
    match run_guard(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => futon_model::ExitCode::Infra.into(),
    }
}

/// Starts a process that is to be frozen, or makes one go on that was. Its standard error is the machine's log.
pub fn shim(args: &GuardArgs) -> ExitCode {
    let Ok(order) = serde_json::from_str::<freezer::Order>(&args.arguments) else {
        return futon_model::ExitCode::Usage.into();
    };
    freezer::run(&order).unwrap_or_else(|e| {
        eprintln!("{e}");
        futon_model::ExitCode::Infra.into()
    })
}
