//! `futon plan`: what shapes each function's result.

use std::sync::Arc;

use futon_cli::PlanArgs;
use futon_common::{Context, Result};
use futon_model::{Cell, ExitCode, beginning};
use futon_terminal::Ui;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::job::{self, Parts};
use super::list::say_remarks;
use super::matrix::matrix;
use futon_prepare::given::missing_image;
use futon_prepare::machine::{Purpose, prepare};
use futon_prepare::project::{Project, store_for};
use futon_prepare::suite::SuiteParts;

/// Prints the cells of functions; no machine starts.
pub async fn plan(args: &PlanArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    let test = &args.test;
    if args.matrix.matrix {
        return matrix(&args.matrix, test, ui);
    }
    args.output.as_deref().map_or(Ok(()), |path| futon_common::require_writable("-o", path))?;
    let resources = &test.resources.resources;
    let given = super::images::with_archives(&test.chosen.names, resources, ui).await?;
    let project = Project::read(&test.project, &test.client, &test.machine, resources)?;
    let names = project.names(&given, &test.chosen, &test.client)?;
    let (names, _) = SuiteParts::new(&project, &names, &test.shards, &test.machine, resources, ui)?.own();
    // As it is for a run that boots from nothing: a warm base changes no result.
    let prepared = prepare(&test.machine, resources, &project.config, Purpose::Run, ui, &cancel).await?;
    let store = Arc::new(store_for(resources, &prepared)?);
    ui.start("reading what shapes the results");
    let cells = names.iter().map(|name| project.cell(name, &test.client, &prepared, Some(&store)));
    let cells = cells.collect::<Result<Vec<Cell>>>();
    ui.stop();
    let cells = cells?;
    let selections = names.iter().map(|name| project.selection(name)).collect::<Result<Vec<_>>>()?;
    say_remarks(selections.iter().flat_map(|selection| &selection.remarks), ui);
    let Some(target) = &args.output else {
        show(&cells, test.output.json, ui)?;
        return Ok(ExitCode::Passed);
    };
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
    let mut functions = Vec::new();
    for name in &names {
        let dir = folder.path().join(&project.selection(name)?.name);
        let workdir = project.working_directory(name, &dir, &test.client, &prepared, resources, Some(&store))?;
        for image in workdir.plan().images.iter().filter(|image| image.manifest.is_none()) {
            ui.line(&missing_image(image, &project.config));
        }
        functions.push((workdir, None));
    }
    let parts = Parts {
        functions,
        machine: &test.machine,
        prepared: &prepared,
        resources,
        store: &store,
        digests: &project.digests,
        content: &args.content,
    };
    let size = job::pack(parts, target, ui).await?;
    job::say_made(target, size, ui);
    if test.output.json {
        show(&cells, true, ui)?;
    }
    Ok(ExitCode::Passed)
}

fn show(cells: &[Cell], as_json: bool, ui: &Ui) -> Result<()> {
    if as_json {
        let list = json!({"schema": "futon.cells/1", "cells": cells});
        return ui.out(&serde_json::to_string_pretty(&list).context(|| "cannot write the cells".into())?);
    }
    for cell in cells {
        ui.out(&format!("{}  {}", cell.short(), cell.inputs.get("function").map_or("", String::as_str)))?;
        for (name, value) in cell.inputs.iter().filter(|(name, _)| *name != "function") {
            ui.out(&format!("  {name}: {}", beginning(value)))?;
        }
    }
    Ok(())
}
