//! `futon gem5 selftest`.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use futon_common::{Context, Error, Result};
use futon_harness::report::{report, write_report};
use futon_model::{ExitCode, ScriptKind};
use futon_workdir::{Contents, PlanRequest, WorkDir, exec_script, foreign_plan};
use gem5_stats::CoreModel;
use gem5_selftest::work::Work;
use tokio_util::sync::CancellationToken;

use super::given::settings;
use super::machine::{Purpose, prepare};
use super::project::tools;
use super::run::run_one;
use super::rundir::run_folder;
use crate::cli::{On, SelftestArgs};
use crate::ui::{Told, Ui};

/// Name of the run.
const NAME: &str = "selftest";

/// Measures the model.
pub async fn selftest(mut args: SelftestArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    args.machine.on = On::Gem5;
    if !args.machine.explicit.contains("cpu") {
        args.machine.gem5.cpu = CoreModel::O3;
    }
    let words = std::env::var("SELFTEST_ITEMS").unwrap_or_default();
    let items: Vec<Work> = words.split_whitespace().map(|w| w.parse().unwrap()).collect();
    args.machine.gem5.work_items = Some(items.len() as u64);
    let resources = &args.resources.resources;
    let mut config = settings(&args.machine, None)?;
    super::machine::apply(&args.machine, &mut config);
    let prepared = prepare(&args.machine, resources, &config, Purpose::Run, ui, &cancel).await?;
    let folder = run_folder(args.out.as_deref(), "futon gem5 selftest")?;
    let machine = prepared.machine.report();
    let request = PlanRequest {
        load: None,
        config: &config,
        machine: machine.kind,
        base: prepared.base,
        base_image: machine.base_image,
        kernel: machine.kernel,
        client: None,
        seed: None,
        store: None,
        script: ScriptKind::Foreign,
        sheet: None,
        describes: false,
    };
    let plan = foreign_plan(NAME, &request);
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    let contents = Contents {
        plan: &plan,
        template: &exec_script(&format!("#!/bin/sh\nexec futon-guest selftest {}\n", words.join(" "))),
        compose: None,
        engine: None,
        handover: None,
        tools: &tools(resources),
        files: &[],
        bundle: None,
        registry: None,
        sheet: None,
        cell: None,
    };
    let workdir = WorkDir::create(&folder.join(NAME), &contents)?;
    let started = SystemTime::now();
    let function = run_one(&workdir, &*prepared.machine, None, ui, cancel).await?;
    let report = report(vec![function], started, started.elapsed().unwrap_or_default());
    write_report(&folder, &report)?;
    ui.result(&report)?;
    Ok(ExitCode::of_all(report.functions.iter().map(|f| &f.verdict)))
}
