//! `futon merge`: the runs of a suite's shards become one.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use futon_cells::{Merged, Problem, merge as merge_runs, relative};
use futon_cli::MergeArgs;
use futon_common::text::one_line;
use futon_common::{Context, Error, Result, require_writable};
use futon_harness::report::{report, write_report};
use futon_model::{ExitCode, FunctionReport, Report};
use futon_terminal::Ui;
use futon_workdir::FolderLock;
use serde_json::json;

use super::test::write_junit;
use futon_prepare::packages::pass_packages_on;
use futon_prepare::suite::{check_file, close_run, record};

/// Name and version of what `--json` prints when a merge is refused.
const REFUSED_SCHEMA: &str = "futon.merge-refused/1";

/// Merges runs, or says what speaks against it.
pub fn merge(args: &MergeArgs, ui: &mut Ui) -> Result<ExitCode> {
    args.record_timings.as_deref().map_or(Ok(()), check_file)?;
    args.junit.as_deref().map_or(Ok(()), |path| require_writable("--junit", path))?;
    ui.start("merging");
    let merged = merge_runs(&args.dirs, &args.out);
    ui.stop();
    let merged = match merged? {
        Ok(merged) => merged,
        Err(problems) => return Err(refuse(&problems, ui)?),
    };
    let _lock = FolderLock::take(&args.out, "futon merge")?;
    let kind = merged.suite.machine.clone();
    let report = write(merged, &args.out, ui)?;
    let kept = args.junit.as_deref().map_or(Ok(()), |path| write_junit(path, &report));
    let recorded = args.record_timings.as_deref().map_or(Ok(()), |path| record(path, &kind, &report.functions));
    ui.result(&if ui.json() { report.clone() } else { from_here(&report, &args.out) })?;
    kept.and(recorded)?;
    ui.line(&format!("report: {} (for programs: report.json)", args.out.join("report.html").display()));
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}

/// Names everything that speaks against the merge.
fn refuse(problems: &[Problem], ui: &Ui) -> Result<Error> {
    if ui.json() {
        let said: Vec<_> = problems
            .iter()
            .map(|problem| {
                let mut value = json!(problem);
                value["message"] = problem.to_string().into();
                value
            })
            .collect();
        ui.out(&json!({"schema": REFUSED_SCHEMA, "problems": said}).to_string())?;
    }
    let count = if problems.len() == 1 { "one problem".to_owned() } else { format!("{} problems", problems.len()) };
    // What was read may be from anywhere.
    let list = problems.iter().map(|problem| format!("\n  {}", one_line(&problem.to_string()))).collect::<String>();
    Ok(Error::infra(format!("these results do not make one suite; {count}:{list}"))
        .hint("nothing was written; docs/ci.md says what each of these means, and what helps"))
}

/// Writes the merged report, with folders relative to it: the whole tree can be moved, or looked at where an artifact was unpacked.
fn write(merged: Merged, out: &Path, ui: &mut Ui) -> Result<Report> {
    let Merged { mut functions, suite, started, duration_ms, cpu_ms, runs, repeated } = merged;
    // Rows first, while folders are absolute; the report has a link to the charts.
    let drawn = super::rows::gather(&with_rows(&functions), out, ui);
    let folder = fs::canonicalize(out).context(|| format!("cannot read {}", out.display()))?;
    for function in functions.iter_mut().filter(|function| Path::new(&function.folder).is_dir()) {
        function.folder = relative(&folder, Path::new(&function.folder)).display().to_string();
    }
    let mut report = report(functions, SystemTime::now(), Duration::from_millis(duration_ms));
    (report.started, report.cpu_ms) = (started, cpu_ms);
    futon_prepare::suite::open_run(out, Some(&suite))?;
    write_report(out, &report)?;
    close_run(out, suite, &report.functions)?;
    drawn?;
    // All runs have the same base, by its digest.
    runs.iter().for_each(|run| pass_packages_on(run, out));
    ui.line(&format!(
        "{} merged",
        match runs.len() {
            1 => "one run".to_owned(),
            count => format!("{count} runs"),
        }
    ));
    if !repeated.is_empty() {
        ui.line(&format!("kept once, because all their results agree: {}", repeated.join(", ")));
    }
    Ok(report)
}

/// The functions whose rows are here; an artifact may have been kept without them.
fn with_rows(functions: &[FunctionReport]) -> Vec<FunctionReport> {
    let has_rows = |function: &&FunctionReport| Path::new(&function.folder).join("invocations.csv").is_file();
    functions.iter().filter(has_rows).cloned().collect()
}

/// The report with folders as they are called from here, for people.
fn from_here(report: &Report, out: &Path) -> Report {
    let mut report = report.clone();
    for function in report.functions.iter_mut().filter(|function| !function.folder.is_empty()) {
        // A path that is absolute stays as it is.
        function.folder = out.join(&function.folder).display().to_string();
    }
    report
}
