//! `futon build`: a working directory for one function.

use std::sync::Arc;

use futon_cli::BuildArgs;
use futon_common::Result;
use futon_model::ExitCode;
use futon_terminal::Ui;
use futon_workdir::FolderLock;
use tokio_util::sync::CancellationToken;

use super::list::say_remarks;
use futon_prepare::given::missing_image;
use futon_prepare::machine::{Purpose, prepare};
use futon_prepare::project::{Project, store_for};
use futon_prepare::remembered::remember;

/// Makes a working directory: disk, run script, plan.
pub async fn build(args: &BuildArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let resources = &args.resources.resources;
    let project = Project::read(&args.project, &args.client, &args.machine, resources)?;
    let _lock = FolderLock::take(&args.dir, "futon build")?;
    let prepared = prepare(&args.machine, resources, &project.config, Purpose::Run, ui, &cancel).await?;
    let store = Arc::new(store_for(resources, &prepared)?);
    let workdir =
        project.working_directory(&args.function, &args.dir, &args.client, &prepared, resources, Some(&store))?;
    prepared.machine.make_disk(&workdir.disk()).await?;
    remember(&args.dir, &args.machine)?;
    let plan = workdir.plan();
    say_remarks(plan.remarks.iter(), ui);
    for image in &plan.images {
        match &image.manifest {
            Some(digest) => ui.line(&format!("{} is {}", image.reference, digest)),
            None => ui.line(&missing_image(image, &project.config)),
        }
    }
    ui.line(&format!("{} is ready in {}; next: futon run --dir {1}", plan.function, args.dir.display()));
    Ok(ExitCode::Passed)
}
