//! All results of a sweep: reports, tables of cells and invocations, means over seeds with their intervals.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use futon_common::{Context, Error, Result};
use futon_model::FunctionReport;
use gem5_stats::{COLUMNS, Interval, METRICS, Row, field, interval, of_a_run, read_rows};
use serde::Serialize;

use crate::folder::Sweep;
use crate::plan::PlannedCell;
use crate::spec::SEED;
use crate::store::Store;

/// Latencies, where nothing was simulated.
const LATENCIES: [(&str, &str); 2] = [("latency_p50", "ms"), ("latency_p99", "ms")];

/// What was put together.
#[derive(Debug)]
pub struct Exported {
    /// One entry for each result, in the order of the plan.
    pub reports: Vec<FunctionReport>,
    /// Means over seeds.
    pub means: Vec<Mean>,
    /// Cells without a result.
    pub missing: usize,
    /// Rows of invocations.
    pub rows: usize,
    /// Whether latencies are those of an emulated machine: they say nothing about performance.
    pub emulated: bool,
}

/// One figure of one combination, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mean {
    /// Function.
    pub function: String,
    /// What varies, with its value; without the seed.
    pub values: BTreeMap<String, String>,
    /// The combination for people.
    #[serde(skip)]
    pub title: String,
    /// The figure.
    pub metric: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Cells of the combination.
    pub cells: usize,
    /// Those that passed: only these count.
    pub passed: usize,
    /// The mean.
    pub mean: f64,
    /// Half of its 95% interval; absent with one run.
    pub half_95: Option<f64>,
    /// Deviation of a single run.
    pub deviation: Option<f64>,
}

/// The cells that differ only in their seed.
struct Combination<'a> {
    function: &'a str,
    values: BTreeMap<String, String>,
    title: String,
    cells: usize,
    passed: usize,
    figures: BTreeMap<&'static str, Vec<f64>>,
}

/// Reads all results and writes `cells.csv`, `means.csv`, and `invocations.csv` where there are rows.
///
/// # Errors
/// When a result is damaged, or a file cannot be written.
pub fn export(sweep: &Sweep, store: &Store, out: &Path) -> Result<Exported> {
    std::fs::create_dir_all(out).context(|| format!("cannot make {}", out.display()))?;
    let done = store.done()?;
    let plan = &sweep.plan;
    // A name that rows have already is not there twice.
    let more: Vec<usize> = (0..plan.names.len()).filter(|at| !COLUMNS.contains(&plan.names[*at].as_str())).collect();
    let mut cells = Table::new(out, "cells.csv");
    let names = plan.names.iter().map(String::as_str);
    cells.line(["cell", "function"].into_iter().chain(names.clone()).chain(CELL_COLUMNS))?;
    let mut invocations = Table::new(out, "invocations.csv");
    let mut exported = Exported { reports: Vec::new(), means: Vec::new(), missing: 0, rows: 0, emulated: false };
    let mut combinations: Vec<Combination<'_>> = Vec::new();
    let mut places: BTreeMap<(&str, Vec<&str>), usize> = BTreeMap::new();
    for cell in &plan.cells {
        let place = *places.entry(key(sweep, cell)).or_insert_with(|| {
            combinations.push(Combination::of(sweep, cell));
            combinations.len() - 1
        });
        let combination = &mut combinations[place];
        combination.cells += 1;
        if !done.contains_key(&cell.digest) {
            exported.missing += 1;
            continue;
        }
        let report = store.report(&cell.digest)?;
        cells.line(cell_fields(cell, &report).iter().map(String::as_str))?;
        let rows = rows_of(&report)?;
        if exported.rows == 0 && !rows.is_empty() {
            invocations
                .line(["cell"].into_iter().chain(more.iter().map(|at| plan.names[*at].as_str())).chain(COLUMNS))?;
        }
        exported.rows += rows.len();
        for row in &rows {
            let own = [cell.digest.as_str()].into_iter().chain(more.iter().map(|at| cell.values[*at].as_str()));
            // A run's name is that of its folder, which was a worker's.
            let value = |column: &&'static str| match *column {
                "run_id" => cell.digest.get(..12).unwrap_or_default(),
                column => row.get(column).unwrap_or_default(),
            };
            invocations.line(own.chain(COLUMNS.iter().map(value)))?;
        }
        exported.emulated |= rows.is_empty() && report.invocations.as_ref().is_some_and(|i| !i.latency_is_performance);
        combination.add(&report, &rows)?;
        exported.reports.push(report);
    }
    cells.end()?;
    invocations.end()?;
    exported.means = combinations.into_iter().flat_map(Combination::means).collect();
    write_means(sweep, &exported.means, out)?;
    Ok(exported)
}

const CELL_COLUMNS: [&str; 8] =
    ["outcome", "step", "code", "duration_ms", "planned", "verified", "latency_p50_ms", "latency_p99_ms"];

fn cell_fields(cell: &PlannedCell, report: &FunctionReport) -> Vec<String> {
    let verdict = &report.verdict;
    let mut fields = vec![cell.digest.clone(), cell.function.clone()];
    fields.extend(cell.values.iter().cloned());
    fields.extend([
        verdict.outcome.word().to_owned(),
        verdict.step.clone().unwrap_or_default(),
        verdict.code.word(),
        report.duration_ms.to_string(),
    ]);
    let calls = report.invocations.as_ref();
    let latency = calls.and_then(|calls| calls.latency_ms.as_ref());
    fields.push(calls.map(|calls| calls.planned.to_string()).unwrap_or_default());
    fields.push(calls.map(|calls| calls.verified.to_string()).unwrap_or_default());
    fields.push(latency.map(|latency| latency.p50.to_string()).unwrap_or_default());
    fields.push(latency.map(|latency| latency.p99.to_string()).unwrap_or_default());
    fields
}

fn rows_of(report: &FunctionReport) -> Result<Vec<Row>> {
    if report.simulation.as_ref().is_none_or(|simulation| simulation.rows == 0) {
        return Ok(Vec::new());
    }
    let path = Path::new(&report.folder).join("invocations.csv");
    let file = File::open(&path).context(|| format!("cannot read {}", path.display()))?;
    read_rows(BufReader::new(file), &path.display().to_string())
}

/// What tells a combination from others.
fn key<'a>(sweep: &Sweep, cell: &'a PlannedCell) -> (&'a str, Vec<&'a str>) {
    let values = sweep.plan.names.iter().zip(&cell.values).filter(|(name, _)| *name != SEED);
    (cell.function.as_str(), values.map(|(_, value)| value.as_str()).collect())
}

impl<'a> Combination<'a> {
    fn of(sweep: &Sweep, cell: &'a PlannedCell) -> Self {
        let values = sweep.plan.names.iter().zip(&cell.values).filter(|(name, _)| *name != SEED);
        let values: Vec<(String, String)> = values.map(|(name, value)| (name.clone(), value.clone())).collect();
        let title = values.iter().fold(cell.function.clone(), |title, (name, value)| {
            format!("{title} {}={value}", name.strip_prefix("param.").unwrap_or(name))
        });
        let values = values.into_iter().collect();
        Self { function: &cell.function, values, title, cells: 0, passed: 0, figures: BTreeMap::new() }
    }

    fn add(&mut self, report: &FunctionReport, rows: &[Row]) -> Result<()> {
        if !report.verdict.is_pass() {
            return Ok(());
        }
        self.passed += 1;
        let measured = if rows.iter().any(|row| row.number("cpi").is_some()) {
            of_a_run(&report.name, &rows.iter().collect::<Vec<_>>())?
        } else {
            let latency = report.invocations.as_ref().and_then(|calls| calls.latency_ms.as_ref());
            latency.map_or_else(Vec::new, |l| vec![(LATENCIES[0].0, l.p50), (LATENCIES[1].0, l.p99)])
        };
        for (metric, value) in measured {
            self.figures.entry(metric).or_default().push(value);
        }
        Ok(())
    }

    fn means(self) -> Vec<Mean> {
        let known = METRICS.iter().chain(&LATENCIES);
        let means = known.filter_map(|(metric, unit)| {
            let values = self.figures.get(metric)?;
            let known: Option<Interval> = interval(values);
            let count = f64::from(u32::try_from(values.len()).ok()?);
            Some(Mean {
                function: self.function.to_owned(),
                values: self.values.clone(),
                title: self.title.clone(),
                metric,
                unit,
                cells: self.cells,
                passed: self.passed,
                mean: known.map_or_else(|| values.iter().sum::<f64>() / count, |known| known.mean),
                half_95: known.map(|known| known.half),
                deviation: known.map(|known| known.deviation),
            })
        });
        means.collect()
    }
}

fn write_means(sweep: &Sweep, means: &[Mean], out: &Path) -> Result<()> {
    let names: Vec<&str> = sweep.plan.names.iter().map(String::as_str).filter(|name| *name != SEED).collect();
    let mut table = Table::new(out, "means.csv");
    let columns = ["metric", "unit", "cells", "passed", "mean", "half_95", "deviation"];
    table.line(["function"].into_iter().chain(names.iter().copied()).chain(columns))?;
    for mean in means {
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let values = names.iter().map(|name| mean.values.get(*name).cloned().unwrap_or_default());
        let mut fields: Vec<String> = [mean.function.clone()].into_iter().chain(values).collect();
        fields.extend([mean.metric.to_owned(), mean.unit.to_owned(), mean.cells.to_string(), mean.passed.to_string()]);
        fields.extend([mean.mean.to_string(), number(mean.half_95), number(mean.deviation)]);
        table.line(fields.iter().map(String::as_str))?;
    }
    table.end()
}

/// A CSV file that appears when its first line is written.
struct Table<'a> {
    folder: &'a Path,
    name: &'static str,
    file: Option<BufWriter<File>>,
}

impl<'a> Table<'a> {
    fn new(folder: &'a Path, name: &'static str) -> Self {
        Self { folder, name, file: None }
    }

    fn line<'t>(&mut self, fields: impl Iterator<Item = &'t str>) -> Result<()> {
        let line = fields.map(field).collect::<Vec<_>>().join(",");
        let written = self.open().and_then(|file| writeln!(file, "{line}"));
        written.map_err(|e| self.failed(e))
    }

    fn open(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.file.is_none() {
            self.file = Some(BufWriter::new(File::create(self.folder.join(self.name))?));
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What was there of an earlier export, and has no line now, goes.
    fn end(mut self) -> Result<()> {
        match self.file.take() {
            Some(mut file) => file.flush().map_err(|e| self.failed(e)),
            None => {
                let _ = std::fs::remove_file(self.folder.join(self.name));
                Ok(())
            }
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::infra(format!("cannot write {}", self.folder.join(self.name).display())).caused_by(error)
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
