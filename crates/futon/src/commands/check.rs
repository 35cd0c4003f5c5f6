//! `futon check`: judges the last run of a working directory again, from its witnesses.

use std::time::SystemTime;

use futon_cli::CheckArgs;
use futon_common::{Error, Result};
use futon_harness::report::{RunMeta, function_report, report, write_report};
use futon_model::{ExitCode, MachineKind};
use futon_terminal::Ui;
use futon_workdir::{FolderLock, WorkDir};

use futon_prepare::machine::refuse_fake;

/// Prints the verdict of the last run.
pub fn check(args: &CheckArgs, ui: &mut Ui) -> Result<ExitCode> {
    let workdir = WorkDir::open(&args.dir)?;
    let _lock = FolderLock::read(&args.dir)?;
    if workdir.plan().machine.kind == MachineKind::Fake {
        refuse_fake()?;
    }
    let events = workdir.read_events()?;
    let path = workdir.results().join("run.json");
    let meta: RunMeta =
        std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).ok_or_else(|| {
            Error::infra(format!("the run in {} did not end", args.dir.display())).hint("`futon run` repeats it")
        })?;
    let function = function_report(&workdir, &events, &meta);
    let report = report(vec![function], SystemTime::now(), meta.duration);
    // A folder that cannot be written to does not change the verdict.
    let _ = write_report(&workdir.results(), &report);
    ui.result(&report)?;
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}
