//! The rows of all functions of a run, in one file and drawn.

use std::fs::{self, File};
use std::path::Path;

use futon_common::{Context, Result};
use futon_model::FunctionReport;
use futon_terminal::Ui;
use gem5_stats::{Row, charts_page, write_rows};

/// Gathers the rows of all functions in one file, and draws them.
pub fn gather(functions: &[FunctionReport], out: &Path, ui: &mut Ui) -> Result<()> {
    let mut rows: Vec<Row> = Vec::new();
    for function in functions.iter().filter(|f| f.simulation.as_ref().is_some_and(|s| s.rows > 0)) {
        rows.extend(futon_figures::read(&Path::new(&function.folder).join("invocations.csv"))?);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let (table, page) = (out.join("invocations.csv"), out.join("charts.html"));
    let file = File::create(&table).context(|| format!("cannot write {}", table.display()))?;
    write_rows(file, &rows).context(|| format!("cannot write {}", table.display()))?;
    fs::write(&page, charts_page(&rows)?).context(|| format!("cannot write {}", page.display()))?;
    ui.line(&format!("rows: {} · charts: {}", table.display(), page.display()));
    Ok(())
}
