//! `futon list`: what `futon test` would run. No machine is started, and nothing is written.

use std::path::Path;

use futon_cells::{Shard, Unit};
use futon_cli::{ListArgs, ShardArgs};
use futon_common::text::duration;
use futon_common::{Context, Error, Result};
use futon_functions::{Selection, client_name};
use futon_model::{ExitCode, ImageReference, beginning};
use futon_terminal::{Ui, columns, wrap};
use image_store::ImageStore;
use serde::Serialize;

use super::images::is_archive;
use super::resources::size;
use futon_prepare::places::store;
use futon_prepare::project::Project;
use futon_prepare::suite::SuiteParts;

/// Name and version of the list's form as JSON.
const LIST_SCHEMA: &str = "futon.list/1";

/// What would run.
#[derive(Serialize)]
struct List {
    schema: &'static str,
    /// The kind of machine.
    machine: String,
    /// The shard that is listed.
    shard: Shard,
    /// What the weights count.
    weighed_by: Unit,
    functions: Vec<Listed>,
}

/// A function that would run.
#[derive(Serialize)]
struct Listed {
    name: String,
    /// Its image, then those of the services beside it.
    images: Vec<Image>,
    calls: Calls,
    /// Milliseconds, bytes, or 1.
    weight: u64,
    shard: u32,
    /// What futon has to say of it, Compose's warnings among it.
    remarks: Vec<String>,
}

/// An image, and its manifest's digest if the store has it.
#[derive(Serialize)]
struct Image {
    reference: String,
    digest: Option<String>,
}

/// Who calls the function.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Calls {
    /// The test client, which knows it by this name.
    Client(String),
    /// So many declared calls.
    Declared(usize),
    /// Declared calls whose schema the function itself gives when it runs.
    Reflection(usize),
}

/// Lists functions.
pub fn list(args: &ListArgs, ui: &Ui) -> Result<ExitCode> {
    let resources = &args.resources.resources;
    if let Some(archive) = args.chosen.names.iter().find(|name| is_archive(name)) {
        return Err(Error::usage(format!("{archive} is an archive: to list it, it would have to be added"))
            .hint(format!("futon images add {archive}, and list the image by its name")));
    }
    let project = Project::read(&args.project, &args.client, &args.machine, resources)?;
    let names = project.names(&args.chosen.names, &args.chosen, &args.client)?;
    let how = ShardArgs { shard: args.shard, timings: args.timings.clone(), record_timings: None };
    let parts = SuiteParts::new(&project, &names, &how, &args.machine, resources, ui)?;
    let list = listed(&project, &parts, args, resources)?;
    if args.json {
        ui.out(&serde_json::to_string_pretty(&list).context(|| "cannot write the list".into())?)?;
        return Ok(ExitCode::Passed);
    }
    say_remarks(list.functions.iter().flat_map(|function| &function.remarks), ui);
    for line in table(&list, columns()) {
        ui.out(&line)?;
    }
    Ok(ExitCode::Passed)
}

/// Says what there is to say of functions, each remark once.
pub fn say_remarks<'a>(remarks: impl Iterator<Item = &'a String>, ui: &Ui) {
    let mut said = Vec::new();
    for remark in remarks {
        if !said.contains(&remark) {
            ui.line(&format!("note: {remark}"));
            said.push(remark);
        }
    }
}

fn listed(project: &Project, parts: &SuiteParts, args: &ListArgs, resources: &Path) -> Result<List> {
    let store = store(resources)?;
    let mut functions = Vec::new();
    for (name, weight) in parts.of(parts.shard.index()) {
        let selection = project.selection(name)?;
        let others = selection.beside.iter().map(|service| &service.image);
        let images = std::iter::once(&selection.service.image).chain(others).map(|image| image_of(image, &store));
        functions.push(Listed {
            name: selection.name.clone(),
            images: images.collect::<Result<_>>()?,
            calls: calls(project, &selection, args)?,
            weight,
            shard: parts.shard.index(),
            remarks: selection.remarks.clone(),
        });
    }
    Ok(List {
        schema: LIST_SCHEMA,
        machine: parts.kind.clone(),
        shard: parts.shard,
        weighed_by: parts.weights.unit,
        functions,
    })
}

fn image_of(image: &ImageReference, store: &ImageStore) -> Result<Image> {
    let found = store.resolve(image)?;
    Ok(Image { reference: image.to_string(), digest: found.map(|found| found.manifest.digest.to_string()) })
}

fn calls(project: &Project, selection: &Selection, args: &ListArgs) -> Result<Calls> {
    if project.must_ask(selection, &args.client)? {
        return Ok(Calls::Reflection(selection.service.hints.calls.len()));
    }
    Ok(match project.sheet(selection, &args.client)? {
        Some(sheet) => Calls::Declared(sheet.declaration.calls.len()),
        None => Calls::Client(client_name(selection, args.client.client.as_deref())?),
    })
}

/// Lines of a terminal: one for each function, wrapped where it is narrow.
fn table(list: &List, columns: usize) -> Vec<String> {
    let width = list.functions.iter().map(|f| f.name.len()).max().unwrap_or(0).min(columns / 2);
    let mut lines = Vec::new();
    for function in &list.functions {
        let mut parts = vec![match &function.calls {
            Calls::Client(client) => format!("client {client}"),
            Calls::Declared(1) => "1 declared call".to_owned(),
            Calls::Declared(count) => format!("{count} declared calls"),
            Calls::Reflection(count) => format!("{count} declared calls, schema by reflection"),
        }];
        parts.extend(weight(function.weight, list.weighed_by));
        parts.extend(function.images.iter().map(|image| match &image.digest {
            Some(digest) => format!("{} {}", image.reference, beginning(digest)),
            None => format!("{} (missing)", image.reference),
        }));
        let room = columns.saturating_sub(width + 2);
        let mut name = function.name.as_str();
        if name.len() > width {
            lines.extend(wrap(name, columns));
            name = "";
        }
        for line in wrap(&parts.join(" · "), room) {
            lines.push(format!("{name:width$}  {line}"));
            name = "";
        }
    }
    let count = list.functions.len();
    let functions = if count == 1 { "1 function".to_owned() } else { format!("{count} functions") };
    let total = list.functions.iter().map(|f| f.weight).fold(0, u64::saturating_add);
    let mut sum = vec![functions, format!("on {}", list.machine)];
    sum.extend(weight(total, list.weighed_by).map(|total| format!("{total} in all")));
    if list.shard != Shard::WHOLE {
        sum.push(format!("shard {}", list.shard));
    }
    lines.extend(wrap(&sum.join(" · "), columns));
    lines
}

fn weight(weight: u64, unit: Unit) -> Option<String> {
    match unit {
        Unit::Milliseconds => Some(duration(weight)),
        Unit::Bytes => Some(size(weight)),
        Unit::Functions => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_narrow_and_wide_terminals() {
        let image = |name: &str, digest: Option<&str>| Image { reference: name.into(), digest: digest.map(Into::into) };
        let function = |name: &str, calls, images| Listed {
            name: name.into(),
            images,
            calls,
            weight: 3100,
            shard: 1,
            remarks: Vec::new(),
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        let list = List {
            schema: LIST_SCHEMA,
            machine: "qemu/docker".into(),
            shard: Shard::WHOLE,
            weighed_by: Unit::Milliseconds,
            functions: vec![
                function(
                    "fibonacci-go",
                    Calls::Client("fibonacci-go".into()),
                    vec![image("vhiveease/fibonacci-go:latest", Some(&digest))],
                ),
                function(
                    "a-rather-long-name-of-a-function",
                    Calls::Declared(3),
                    vec![image("me/geo:v1", None), image("me/db", None)],
                ),
            ],
        };
        let wide = table(&list, 160);
        assert_eq!(wide.len(), 3, "{wide:#?}");
        assert!(
            wide[0].contains("client fibonacci-go · 3.1 s · vhiveease/fibonacci-go:latest sha256:aaaaaaaaaaaa"),
            "{wide:#?}"
        );
        assert!(wide[1].contains("me/geo:v1 (missing) · me/db (missing)"), "{wide:#?}");
        assert_eq!(wide[2], "2 functions · on qemu/docker · 6.2 s in all");
        for columns in [40, 80] {
            let lines = table(&list, columns);
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:#?}");
        }
    }
}
