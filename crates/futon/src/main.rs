//! `futon`: run a function under test on an emulated or simulated machine.
#![warn(missing_docs)]

mod commands;

use std::process::ExitCode;

use clap::CommandFactory;
use futon_cli::{Cli, Command};
use futon_terminal::Ui;

fn main() -> ExitCode {
    futon_cli::forget_empty(Cli::command);
    let cli = Cli::read();
    // These must start before there is a second thread: no runtime for them.
    match &cli.command {
        Command::Guard(args) => return commands::guard::guard(args),
        Command::Shim(args) => return commands::guard::shim(args),
        _ => {}
    }
    commands::prepare_process();
    let mut ui = Ui::new(cli.quiet, cli.command.prints_json());
    if let Err(e) = ui.listen(cli.command.events()) {
        ui.error(&e);
        return e.exit_code().into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            ui.error(&futon_common::Error::infra("cannot start the runtime").caused_by(e));
            return futon_model::ExitCode::Infra.into();
        }
    };
    let result = runtime.block_on(async {
        let cancel = commands::cancel_on_signals();
        commands::dispatch(cli, &mut ui, cancel).await
    });
    // What still blocks in the background (a read from the terminal) must not keep the program.
    runtime.shutdown_background();
    ui.finish();
    match result {
        Ok(code) => code.into(),
        Err(e) => {
            ui.error(&e);
            e.exit_code().into()
        }
    }
}
