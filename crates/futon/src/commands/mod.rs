//! The verbs, one file each.

mod build;
mod calls;
mod check;
mod completions;
mod config;
mod console;
mod describe;
mod doctor;
mod exec;
pub mod guard;
mod hold;
mod images;
mod investigate;
mod job;
mod list;
mod load;
mod matrix;
mod measure;
mod merge;
mod one_run;
mod plan;
mod report;
mod rerun;
mod resources;
mod rows;
mod run;
mod scaffold;
mod selftest;
mod serve;
mod setup;
mod shell;
mod signals;
mod stats;
mod stored_images;
mod sweep;
mod test;
mod unrun;
mod warm;

use futon_common::Result;
use futon_gem5::Goal;
use futon_model::ExitCode;
use tokio_util::sync::CancellationToken;

use futon_cli::{Cli, Command, Gem5Command};
use futon_terminal::Ui;

pub use signals::{cancel_on_signals, prepare_process};

/// Does what the command says.
pub async fn dispatch(cli: Cli, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let Cli { mut command, profile, .. } = cli;
    futon_prepare::settings::fill(&mut command, profile.as_deref())?;
    match command {
        Command::Doctor(args) => doctor::doctor(&args, ui).await,
        Command::Resources(command) => resources::resources(command, ui, &cancel).await,
        Command::Images(command) => images::images(command, ui, &cancel).await,
        Command::Build(args) => build::build(&args, ui, cancel).await,
        Command::Run(args) => run::run(&args, ui, cancel).await,
        Command::Rerun(args) => rerun::rerun(&args, ui, cancel).await,
        Command::Investigate(args) => investigate::investigate(&args, ui, cancel).await,
        Command::Check(args) => check::check(&args, ui),
        Command::Test(args) => test::test(&args, Goal::Test, ui, cancel).await,
        Command::List(args) => list::list(&args, ui),
        Command::Plan(args) => plan::plan(&args, ui, cancel).await,
        Command::Merge(args) => merge::merge(&args, ui),
        Command::Load(args) => load::load(args, ui, cancel).await,
        Command::Describe(args) => describe::describe(&args, ui, cancel).await,
        Command::Scaffold(args) => scaffold::scaffold(&args, ui, cancel).await,
        Command::Calls(command) => calls::calls(&command, ui),
        Command::Setup(args) => setup::setup(&args, ui, cancel).await,
        Command::Evaluate(args) => test::test(&args, Goal::Evaluate, ui, cancel).await,
        Command::Measure(args) => measure::measure(args, ui, cancel).await,
        Command::Gem5(Gem5Command::Selftest(args)) => selftest::selftest(*args, ui, cancel).await,
        Command::Sweep(args) => sweep::sweep(*args, ui, cancel).await,
        Command::Stats(command) => stats::stats(&command, ui),
        Command::Config(command) => config::config(&command, profile.as_deref(), ui),
        Command::Report(command) => report::report(&command, ui),
        Command::Exec(args) => exec::exec(&args, ui, cancel).await,
        Command::Serve(args) => serve::serve(&args, ui, cancel).await,
        Command::Warm(command) => warm::warm(command, ui, &cancel).await,
        Command::Shell(args) => shell::shell(&args, ui, cancel).await,
        Command::Manual { folder } => completions::manual(&folder),
        Command::Completions { shell } => completions::completions(shell, ui),
        // `main` has already handled this one.
        Command::Guard(_) | Command::Shim(_) => Ok(ExitCode::Usage),
    }
}
