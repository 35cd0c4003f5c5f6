//! `futon test`: build, run and check for each function.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use futon_host::functions::{client_name, select};
use futon_host::report::{junit, report, write_report};
use futon_host::{Context, Result};
use futon_model::{Code, ExitCode, FunctionReport, Outcome, Proof, Verdict};
use tokio_util::sync::CancellationToken;

use super::machine::{Prepared, Purpose, prepare};
use super::project::{Project, store};
use super::run::run_one;
use super::rundir::run_folder;
use crate::cli::TestArgs;
use crate::ui::Ui;

/// Tests functions, one after another.
pub async fn test(args: &TestArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let resources = &args.resources.resources;
    let project = Project::read(&args.project, &args.client, &args.machine)?;
    let names = project.names(&args.names, args.list.as_deref())?;
    // A mistyped name must not cost the boots before it.
    for name in &names {
        client_name(&select(&project.compose, name)?, args.client.client.as_deref())?;
    }
    let out = run_folder(args.output.out.as_deref())?;
    let prepared = prepare(&args.machine, resources, &project.config, Purpose::Fork, ui, &cancel).await?;
    let store = Arc::new(store(resources)?);
    let started = SystemTime::now();
    let mut functions: Vec<FunctionReport> = Vec::new();
    for name in &names {
        let stopped = cancel.is_cancelled() || (args.fail_fast && functions.iter().any(|f| !f.verdict.is_pass()));
        if stopped {
            functions.push(not_run(name, &prepared, cancel.is_cancelled()));
            continue;
        }
        let dir = out.join(select(&project.compose, name)?.name);
        let workdir = project.working_directory(name, &dir, &args.client, &prepared, resources, Some(&store))?;
        let function = run_one(&workdir, &*prepared.machine, Some(Arc::clone(&store)), ui, cancel.clone()).await?;
        if !args.output.keep_disks {
            // The disk is of no use after the run; the results stay.
            let _ = fs::remove_file(workdir.disk());
        }
        functions.push(function);
    }
    let report = report(functions, started, started.elapsed().unwrap_or_default());
    write_report(&out.join("report.json"), &report)?;
    if let Some(path) = &args.output.junit {
        fs::write(path, junit(&report)).context(|| format!("cannot write {}", path.display()))?;
    }
    ui.result(&report)?;
    ui.line(&format!("report: {}", out.join("report.json").display()));
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}

/// The report of a function whose turn did not come.
fn not_run(name: &str, prepared: &Prepared, interrupted: bool) -> FunctionReport {
    let (code, why) = if interrupted {
        (Code::Interrupted, "interrupted before its turn")
    } else {
        (Code::StepFailed, "an earlier function did not pass (--fail-fast)")
    };
    FunctionReport {
        name: name.to_owned(),
        image: None,
        digests: Vec::new(),
        machine: prepared.machine.report(),
        proof: Proof::None,
        verdict: Verdict { outcome: Outcome::NotRun, step: None, code, why: why.into(), hint: None },
        steps: Vec::new(),
        invocations: None,
        remarks: Vec::new(),
        duration_ms: 0,
        folder: String::new(),
        console_tail: Vec::new(),
        container_tail: Vec::new(),
    }
}
