//! `futon sweep export`: all results in one report and tables, and means over seeds.

use std::path::Path;
use std::time::{Duration, SystemTime};

use futon_common::text::counted;
use futon_common::{Context, Result};
use futon_figures::written;
use futon_harness::report::{report, write_report};
use futon_model::ExitCode;
use futon_sweep::{Exported, Mean};
use futon_terminal::Ui;
use gem5_stats::Interval;
use serde_json::json;

use super::made::Made;

/// Lines on the screen; the rest is in the file.
const SHOWN: usize = 40;

/// The figure of a combination that is shown: the first of these that there is.
const DECISIVE: [&str; 2] = ["cpi", "latency_p50"];

/// Writes the files, shows the means, and says what is missing.
pub fn export(made: &Made, out: &Path, as_json: bool, ui: &mut Ui) -> Result<ExitCode> {
    ui.start("reading the results");
    let exported = futon_sweep::export(&made.sweep, &made.store, out);
    ui.stop();
    let exported = exported?;
    let took = exported.reports.iter().map(|function| function.duration_ms).sum();
    let whole = report(exported.reports.clone(), SystemTime::now(), Duration::from_millis(took));
    write_report(out, &whole)?;
    let cells = made.sweep.plan.cells.len();
    if as_json {
        let shown = json!({"schema": "futon.sweep-means/1", "name": made.sweep.name, "cells": cells,
            "missing": exported.missing, "means": exported.means});
        ui.out(&serde_json::to_string_pretty(&shown).context(|| "the means as JSON".into())?)?;
    } else {
        show(&exported, ui)?;
    }
    let rows = if exported.rows > 0 { ", invocations.csv" } else { "" };
    ui.line(&format!("results: {}/report.html, report.json, cells.csv, means.csv{rows}", out.display()));
    let code = ExitCode::of_all(whole.functions.iter().map(|function| &function.verdict));
    if exported.missing > 0 {
        ui.line(&format!(
            "incomplete: no result for {} of {}. See: futon sweep status {}",
            exported.missing,
            counted(cells, "cell"),
            made.dir.display()
        ));
        return Ok(ExitCode::Infra);
    }
    Ok(code)
}

fn show(exported: &Exported, ui: &Ui) -> Result<()> {
    let decisive = DECISIVE.iter().find(|metric| exported.means.iter().any(|mean| mean.metric == **metric));
    let means: Vec<&Mean> = exported.means.iter().filter(|mean| Some(&mean.metric) == decisive).collect();
    if let Some(metric) = decisive {
        let note = if exported.emulated && *metric != "cpi" { " (emulated: not a performance result)" } else { "" };
        ui.out(&format!("{metric}, means over seeds with 95% intervals{note}"))?;
    }
    let width = means.iter().take(SHOWN).map(|mean| mean.title.chars().count()).max().unwrap_or_default();
    for mean in means.iter().take(SHOWN) {
        let figure = match (mean.half_95, mean.deviation) {
            (Some(half), Some(deviation)) => written(&Interval { mean: mean.mean, deviation, half, runs: mean.passed }),
            _ => format!("{:.3}, one run", mean.mean),
        };
        let passed = if mean.passed < mean.cells {
            format!("  {} of {} passed", mean.passed, mean.cells)
        } else {
            String::new()
        };
        ui.out(&format!("  {:width$}  {figure} {}{passed}", mean.title, mean.unit))?;
    }
    if means.len() > SHOWN {
        ui.out(&format!("  … and {} more in means.csv", means.len() - SHOWN))?;
    }
    let passed = exported.reports.iter().filter(|function| function.verdict.is_pass()).count();
    let bad = exported.reports.len() - passed;
    let bad = if bad > 0 { format!(", {bad} did not pass (report.html)") } else { String::new() };
    ui.out(&format!("{}: {passed} passed{bad}", counted(exported.reports.len(), "result")))
}
