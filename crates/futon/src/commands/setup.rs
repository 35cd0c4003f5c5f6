//! `futon setup` and `futon evaluate`: a simulated test in two commands, with the function's checkpoint between them.

use std::sync::Arc;

use futon_cli::TestArgs;
use futon_common::{Error, Result};
use futon_gem5::Goal;
use futon_model::{ExitCode, FunctionReport, Verdict};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use super::one_run::run_one;
use futon_prepare::machine::{Purpose, prepare};
use futon_prepare::places::store;
use futon_prepare::project::Project;
use futon_prepare::rundir::run_folder;
use futon_prepare::suite::SuiteParts;

/// Makes the checkpoint of each function: booted, started, warmed up.
pub async fn setup(args: &TestArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    if args.output.events.events.is_some() {
        return Err(Error::usage("--events has no effect here: setup gives no verdicts").hint("leave it out"));
    }
    if args.stress.is_some() {
        return Err(Error::usage("--stress has no effect here: a function has one checkpoint").hint("leave it out"));
    }
    let resources = &args.resources.resources;
    let project = Project::read(&args.project, &args.client, &args.machine, resources)?;
    let names = project.names(&args.chosen.names, &args.chosen, &args.client)?;
    if args.shards.record_timings.is_some() {
        return Err(
            Error::usage("--record-timings: half of a test has no duration").hint("leave it out, or use `futon test`")
        );
    }
    let parts = SuiteParts::new(&project, &names, &args.shards, &args.machine, resources, ui)?;
    let (names, _) = parts.own();
    if names.is_empty() {
        ui.line(&format!("shard {} of this suite has no function", parts.shard));
        return Ok(ExitCode::Passed);
    }
    let prepared =
        prepare(&args.machine, resources, &project.config, Purpose::Simulate(Goal::Setup), ui, &cancel).await?;
    let out = run_folder(args.output.out.as_deref(), "futon setup")?;
    let store = Arc::new(store(resources)?);
    let mut failed = Vec::new();
    for name in &names {
        if cancel.is_cancelled() {
            return Ok(ExitCode::Interrupted);
        }
        let dir = out.join(&project.selection(name)?.name);
        let workdir = project.working_directory(name, &dir, &args.client, &prepared, resources, Some(&store))?;
        let function = run_one(&workdir, &*prepared.machine, Some(Arc::clone(&store)), ui, cancel.clone()).await?;
        match checkpoint(&function) {
            Some(key) => ui.out(&format!("{}: checkpoint {key}; next: futon evaluate {0}", function.name))?,
            None => {
                ui.out(&format!(
                    "{}: {}: {}",
                    function.name,
                    function.verdict.step.as_deref().unwrap_or("run"),
                    function.verdict.why
                ))?;
                failed.push(function.verdict);
            }
        }
    }
    Ok(exit(&failed))
}

/// The gravest of those that have no checkpoint.
fn exit(failed: &[Verdict]) -> ExitCode {
    if failed.is_empty() { ExitCode::Passed } else { ExitCode::of_all(failed) }
}

/// The function's checkpoint, where the run came to it.
fn checkpoint(function: &FunctionReport) -> Option<&str> {
    let simulation = function.simulation.as_ref()?;
    simulation.function_checkpoint.as_deref()
}

#[cfg(test)]
mod tests {
    use futon_model::{Code, Outcome};

    use super::*;

    #[test]
    fn the_gravest_wins_whatever_comes_first() {
        let ended = |outcome| Verdict { outcome, step: None, code: Code::StepFailed, why: String::new(), hint: None };
        assert_eq!(exit(&[]), ExitCode::Passed);
        assert_eq!(exit(&[ended(Outcome::Failed), ended(Outcome::Infra)]), ExitCode::Infra);
        assert_eq!(exit(&[ended(Outcome::Failed)]), ExitCode::Failed);
    }
}
