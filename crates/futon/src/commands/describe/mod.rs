//! `futon describe`: what a function is, and what it offers while it runs.

mod look;
mod show;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futon_cli::{BaseArg, ChosenArgs, ClientArgs, DescribeArgs, LookArgs, On, ProjectArgs};
use futon_common::{Error, Result};
use futon_model::{ExitCode, FunctionReport};
use futon_terminal::Ui;
use tokio_util::sync::CancellationToken;

use super::images::with_archives;
use futon_prepare::image::Image;
use futon_prepare::machine::{Purpose, has_lean_guest, prepare};
use futon_prepare::places::store;
use futon_prepare::project::{Project, store_for};
use futon_prepare::rundir::run_folder;

pub use futon_prepare::described::{Described, kept, schema_of};
pub use look::{Look, Looks, Told, look};
pub use show::methods;

/// Describes a function.
pub async fn describe(args: &DescribeArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let (project, name) = function(&args.look, ui).await?;
    let selection = project.selection(&name)?;
    let image = Image::of(&selection, &store(&args.look.resources.resources)?)?;
    let told =
        if args.no_run { Told::Still } else { ask(&args.look, args.again, &project, &name, ui, &cancel).await? };
    ui.stop();
    show::show(&selection.name, &image, &told, args.json, ui)?;
    Ok(match &told {
        Told::Failed(report) => ExitCode::of_all([&report.verdict]),
        Told::Still | Told::Seen { .. } => ExitCode::Passed,
    })
}

/// The project, and the one function of it that is meant.
pub async fn function(args: &LookArgs, ui: &mut Ui) -> Result<(Project, String)> {
    let resources = &args.resources.resources;
    let given = with_archives(std::slice::from_ref(&args.name), resources, ui).await?;
    let [name] = &given[..] else {
        return Err(Error::usage(format!("{} has {} images", args.name, given.len()))
            .hint(format!("name one of them: {}", given.join(", "))));
    };
    let project = ProjectArgs {
        functions: args.functions.clone(),
        config: None,
        template: None,
        limits: args.limits.clone(),
        files: Vec::new(),
        whole: false,
    };
    Ok((Project::read(&project, &ClientArgs::default(), &args.machine, resources)?, name.clone()))
}

/// The description of a function, stored or from a run.
pub async fn ask(
    args: &LookArgs,
    again: bool,
    project: &Project,
    name: &str,
    ui: &mut Ui,
    cancel: &CancellationToken,
) -> Result<Told> {
    let resources = &args.resources.resources;
    let selection = project.selection(name)?;
    if !again && let Some(described) = kept(&selection, &store(resources)?, resources)? {
        return Ok(Told::Seen { described, kept: true });
    }
    let machine = &args.machine;
    let base = machine.on == On::Qemu && machine.base == BaseArg::Docker && machine.base_image.is_none();
    super::resources::first_use(resources, base, ui, cancel).await?;
    if has_lean_guest(&args.machine) {
        project.lean_can(&[name.to_owned()])?;
    }
    let prepared = prepare(&args.machine, resources, &project.config, Purpose::Fork, ui, cancel).await?;
    let out = run_folder(None, "futon describe")?;
    let store = Arc::new(store_for(resources, &prepared)?);
    let started = SystemTime::now();
    ui.start(&format!("running {name} to see what it offers"));
    let dir = out.join(&selection.name);
    let looks = Looks { project, prepared: &prepared, resources, store: &store, cancel };
    let looked = look(&looks, name, &dir, ui).await;
    ui.stop();
    match looked? {
        Look::Seen(described) => Ok(Told::Seen { described, kept: false }),
        Look::Failed(report) => {
            look::write(&out, &report, started)?;
            Ok(Told::Failed(report))
        }
    }
}

/// Asks each function whose calls have no schema but by reflection, and that nobody has asked yet: the reports of those that could not be
/// asked, by name.
///
/// # Errors
/// One has no reflection, or its calls do not match what it offers.
pub async fn ask_all(
    names: &[String],
    looks: &Looks<'_>,
    client: &ClientArgs,
    out: &Path,
    ui: &mut Ui,
) -> Result<BTreeMap<String, FunctionReport>> {
    let (mut failed, project) = (BTreeMap::new(), looks.project);
    for name in names {
        let selection = project.selection(name)?;
        if !project.must_ask(&selection, client)? {
            continue;
        }
        let called = &selection.name;
        ui.start(&format!(
            "{called}: no schema is given, so a separate run asks the function for it (once; the answer is kept)"
        ));
        let dir = out.join(format!("{called}.describe"));
        let looked = look(looks, name, &dir, ui).await;
        ui.stop();
        match looked? {
            Look::Seen(described) => {
                let schema = described.schema(called)?;
                ui.line(&format!("  {called}: schema by reflection, {} methods", schema.methods().count()));
                project.learn(&selection, schema);
                project.names(std::slice::from_ref(name), &ChosenArgs::default(), client)?;
            }
            Look::Failed(report) => {
                failed.insert(name.clone(), *report);
            }
        }
    }
    Ok(failed)
}
