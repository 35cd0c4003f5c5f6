//! The files of a measurement.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use futon_common::{Context, Error, Result};
use gem5_stats::{Chart, METRICS, Part, Row, bar_chart, read_rows, write_rows};

use super::figures::Figures;

/// What rows were measured with.
pub fn origin(rows: &[Row]) -> String {
    let all = |column: &str| {
        let values: BTreeSet<&str> = rows.iter().filter_map(|row| row.get(column)).filter(|v| !v.is_empty()).collect();
        values.into_iter().collect::<Vec<_>>().join(", ")
    };
    format!(
        "gem5 {}, {} core, system {} (parameters {}); {} rows; seeds {}",
        all("gem5_version"),
        all("core"),
        all("system"),
        all("params_hash"),
        rows.len(),
        all("seed")
    )
}

/// A chart for each metric that was measured.
fn charts(figures: &Figures) -> Vec<Chart> {
    let bars = METRICS.iter().filter_map(|(metric, _)| figures.bars(metric));
    bars.map(|bars| bar_chart(&bars)).collect()
}

/// The page for people.
fn page(figures: &Figures, rows: &[Row], charts: Vec<Chart>) -> String {
    let mut parts = vec![Part::Text(origin(rows)), Part::Text(CLAIM.into())];
    parts.extend(figures.long_names().into_iter().map(Part::Text));
    parts.extend(charts.into_iter().map(Part::Chart));
    let lines = figures.difference_lines();
    if lines.len() > 1 {
        parts.push(Part::Heading("Differences".into()));
        parts.push(Part::Text("Of pairs of runs with the same seed: means with 95% intervals. The last column says how often one run of each state, whatever its seed, would have had the order of the means the wrong way round.".into()));
        parts.push(Part::Table(lines));
    }
    gem5_stats::page("Measurement", &parts)
}

/// What is not claimed.
const CLAIM: &str = "An uncalibrated model of a processor: compare, do not quote.";

/// Writes a measurement into a folder: tables, charts, the page, and the rows.
///
/// # Errors
/// When a file cannot be written.
pub fn write_measurement(out: &Path, figures: &Figures, rows: &[Row]) -> Result<()> {
    let put = |name: &str, text: String| {
        let path = out.join(name);
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))
    };
    put("measure.csv", figures.csv())?;
    if let Some(differences) = figures.differences_csv() {
        put("differences.csv", differences)?;
    }
    put("measure.json", figures.as_json()?.to_string())?;
    let charts = charts(figures);
    for chart in &charts {
        put(&format!("{}.svg", chart.title), chart.svg.clone())?;
    }
    put("measure.html", page(figures, rows, charts))?;
    let path = out.join("invocations.csv");
    let failed = || format!("cannot write {}", path.display());
    write_rows(File::create(&path).context(failed)?, rows).context(failed)
}

/// Reads a file of rows.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).map_err(|e| {
        Error::usage(format!("cannot read {}", path.display())).caused_by(e).hint("name an invocations.csv")
    })?;
    read_rows(BufReader::new(file), &path.display().to_string())
}
