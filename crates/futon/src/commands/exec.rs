//! `futon exec`: runs any script in the guest and collects its uploads.

use std::fs;
use std::sync::Arc;

use futon_cli::ExecArgs;
use futon_common::{Context, Result};
use futon_model::{ExitCode, ScriptKind};
use futon_terminal::Ui;
use futon_workdir::{Contents, PlanRequest, WorkDir, exec_script, foreign_plan};
use tokio_util::sync::CancellationToken;

use super::one_run::run_alone;
use futon_prepare::given::{named_files, read_text, set_limits, settings};
use futon_prepare::machine::{Purpose, prepare};
use futon_prepare::places::tools;
use futon_prepare::project::store_for;
use futon_prepare::rundir::run_folder;

/// Runs a script of the user's.
pub async fn exec(args: &ExecArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let resources = &args.resources.resources;
    let script = read_text(&args.script, "name a script: any text file, with or without `#!`")?;
    let mut config = settings(&args.machine, None)?;
    set_limits(&mut config.limits, &args.limits);
    futon_prepare::machine::apply(&args.machine, &mut config);
    let prepared = prepare(&args.machine, resources, &config, Purpose::Fork, ui, &cancel).await?;
    let folder = run_folder(None, "futon exec")?;
    let name = args.script.file_stem().map_or_else(|| "script".into(), |n| n.to_string_lossy().into_owned());
    let store = Arc::new(store_for(resources, &prepared)?);
    let request = PlanRequest {
        store: Some(&store),
        ..PlanRequest::new(&config, prepared.machine.report(), prepared.base, ScriptKind::Foreign)
    };
    let plan = foreign_plan(&name, &request);
    let files = named_files(&args.files)?;
    let (script, tools) = (exec_script(&script), tools(resources));
    let contents = Contents { files: &files, ..Contents::of_script(&plan, &script, &tools) };
    let workdir = WorkDir::create(&folder.join(&name), &contents)?;
    let report = run_alone(&workdir, &*prepared.machine, Some(store), &folder, ui, cancel).await?;
    // The disk is of no use after the run; the results stay.
    let _ = fs::remove_file(workdir.disk());
    if let Some(out) = &args.out {
        copy_uploads(&workdir, out)?;
    }
    ui.result(&report)?;
    let uploads = args.out.clone().unwrap_or_else(|| workdir.uploads());
    ui.line(&format!("uploads: {}", uploads.display()));
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}

fn copy_uploads(workdir: &WorkDir, out: &std::path::Path) -> Result<()> {
    fs::create_dir_all(out).context(|| format!("cannot make {}", out.display()))?;
    let uploads = workdir.uploads();
    for entry in fs::read_dir(&uploads).context(|| format!("cannot read {}", uploads.display()))? {
        let entry = entry.context(|| format!("cannot read {}", uploads.display()))?;
        if entry.file_type().is_ok_and(|t| t.is_file()) {
            let target = out.join(entry.file_name());
            fs::copy(entry.path(), &target).context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}
