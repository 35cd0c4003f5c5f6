//! `futon shell RUN`: a failed run again, with a shell in its machine at the step that fails.

use std::path::Path;
use std::time::Duration;

use futon_cli::{ContentArgs, ShellArgs};
use futon_common::{Context, Error, Result};
use futon_harness::run::{RunSetup, run as run_engine};
use futon_job::{JobFolder, is_job};
use futon_machine::Console;
use futon_model::{Event, EventKind, ExitCode, GuestEvent, Limits};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use super::console::{RawTerminal, connect};
use super::job::{Bench, resources_of};
use super::rerun::{as_job, run_args};

/// As long as anybody looks at a machine.
const LONG: Duration = Duration::from_secs(12 * 3600);

/// A shell in the middle of the run script, once.
const HOLD: &str = r#"hold() {
    [ -z "${held:-}" ] || return 0
    held=yes
    printf '\r\nfuton: step %s failed with status %s; here is its machine (exit: the run goes on; Ctrl-]: it ends)\r\n' "$name" "$code" >/dev/ttyS0
    setsid -c sh -i </dev/ttyS0 >/dev/ttyS0 2>&1
}
step() {
"#;

/// Where the run script knows that a step has failed.
const ENDED: &str = "    code=$?\n";

/// Runs a function of an earlier run until a step fails, and connects the console.
pub async fn hold(run: &Path, args: &ShellArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
    let job = folder.path().join("job");
    let names: Vec<String> = args.function.iter().cloned().collect();
    let here = &args.resources.resources;
    if is_job(run) {
        return Err(
            Error::usage("futon shell opens runs, not jobs").hint("`futon run JOB --out DIR`, then `futon shell DIR`")
        );
    }
    as_job(run, &names, here, &ContentArgs::HERE, &job, ui, &cancel).await?;
    let mut job = JobFolder::open(&job, folder.path(), None)?;
    if job.job.functions.len() > 1 {
        let names: Vec<&str> = job.job.functions.iter().map(|f| f.plan.function.as_str()).collect();
        return Err(Error::usage(format!("which of {}?", names.join(", "))).hint("name one: futon shell RUN FUNCTION"));
    }
    for function in &mut job.job.functions {
        for name in Limits::NAMES {
            // A person is slower than a test.
            if let Some(limit) = function.plan.limits.named_mut(name) {
                *limit = LONG;
            }
        }
    }
    let resources = resources_of(&job, here, ui).await?;
    let bench = Bench::new(&job, resources, &run_args(&args.resources, false)?, false, ui, &cancel).await?;
    let console = Console::default();
    let machine = bench.with_console(&console).ok_or_else(|| {
        Error::usage("a simulated machine has no console to type at").hint("futon shell RUN needs a run on QEMU")
    })?;
    let function = &job.job.functions[0];
    let workdir = bench.restore(&job, function, &folder.path().join("run"))?;
    let path = workdir.root().join("run.sh");
    let script = std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
    let held = held(&script).ok_or_else(|| {
        Error::usage("the run has a run script of your own, which has no steps")
            .hint("`futon shell` opens the base alone")
    })?;
    std::fs::write(&path, held).context(|| format!("cannot write {}", path.display()))?;
    ui.line("the guest's console; Ctrl-] ends it; the disk is discarded then");
    let store = bench.store(&job)?;
    let left = cancel.child_token();
    let mut failed = None;
    let mut sink = |event: &Event| {
        if let EventKind::Guest { guest: GuestEvent::StepEnded { name, exit_status, .. }, authentic: true } =
            &event.kind
            && *exit_status != Some(0)
            && failed.is_none()
        {
            failed = Some(name.clone());
        }
    };
    let setup = RunSetup {
        plan: workdir.plan(),
        workdir: &workdir,
        machine: &*machine,
        store: Some(store),
        cancel: left.clone(),
        sink: &mut sink,
    };
    let raw = RawTerminal::enter();
    let connected = async {
        while console.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let socket = console.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(socket) = socket
            && connect(socket, &left).is_err()
        {
            left.cancel();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = run_engine(setup) => {}
        () = connected => {}
    }
    drop(raw);
    ui.line("");
    match failed {
        Some(step) => ui.line(&format!("step {step} failed in this run")),
        None if left.is_cancelled() => ui.line("no step had failed yet"),
        None => ui.line("no step failed in this run: it went to its end"),
    }
    Ok(if cancel.is_cancelled() { ExitCode::Interrupted } else { ExitCode::Passed })
}

/// The run script with a shell where a step fails; nothing if it has no steps of futon's.
fn held(script: &str) -> Option<String> {
    let begin = script.find("step() {\n")?;
    let end = begin + script[begin..].find(ENDED)? + ENDED.len();
    let (before, rest) = script.split_at(begin);
    let step = &rest["step() {\n".len()..end - begin];
    Some(format!("{before}{HOLD}{step}    [ $code -eq 0 ] || hold\n{}", &script[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_run_scripts_hold_at_the_step_that_fails() {
        for template in [futon_workdir::DEFAULT_TEMPLATE, futon_workdir::LEAN_TEMPLATE] {
            let script = held(template).unwrap();
            assert!(script.contains("    code=$?\n    [ $code -eq 0 ] || hold\n"), "{script}");
            let shell = std::process::Command::new("sh").args(["-n", "-c", &script]).status().unwrap();
            assert!(shell.success());
        }
        assert_eq!(held("#!/bin/sh\necho mine\n"), None);
    }
}
