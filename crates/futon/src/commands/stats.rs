//! `futon stats`: statistics without a run.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futon_cli::StatsCommand;
use futon_common::{Context, Error, Result, require_writable};
use futon_figures::Study;
use futon_model::ExitCode;
use futon_terminal::Ui;
use gem5_stats::{Item, charts_page, read_stats};

/// Does what the command says.
pub fn stats(command: &StatsCommand, ui: &mut Ui) -> Result<ExitCode> {
    match command {
        StatsCommand::Check { file } => check(file, ui),
        StatsCommand::Study { folders, output } => study(folders, output, ui),
        StatsCommand::Chart { rows, output } => {
            require_writable("--output", output)?;
            let mut all = Vec::new();
            for path in rows {
                all.extend(futon_figures::read(path)?);
            }
            fs::write(output, charts_page(&all)?).context(|| format!("cannot write {}", output.display()))?;
            ui.line(&format!("charts of {} rows are in {}", all.len(), output.display()));
            Ok(ExitCode::Passed)
        }
    }
}

/// Makes the page of a study from the folders of measurements.
fn study(folders: &[PathBuf], output: &Path, ui: &Ui) -> Result<ExitCode> {
    require_writable("--output", output)?;
    let study = Study::of(folders)?;
    fs::write(output, study.page()).context(|| format!("cannot write {}", output.display()))?;
    for line in study.findings() {
        ui.out(&line)?;
    }
    ui.line(&format!("the study is in {}", output.display()));
    Ok(ExitCode::Passed)
}

fn check(path: &Path, ui: &Ui) -> Result<ExitCode> {
    let refused = |why: std::io::Error| {
        Error::usage(format!("cannot read {}", path.display())).caused_by(why).hint("name gem5's stats.txt")
    };
    if path.is_dir() {
        return Err(refused(ErrorKind::IsADirectory.into()));
    }
    let file = File::open(path).map_err(refused)?;
    let begin = Instant::now();
    let mut stats = 0_u64;
    let mut odd = 0_u64;
    let summary = read_stats(file, |item| {
        if let Item::Stat(stat) = item {
            stats += 1;
            odd += u64::from(!stat.value.is_finite());
        }
        ControlFlow::Continue(())
    })
    .context(|| format!("cannot read {}", path.display()))?;
    let seconds = begin.elapsed().as_secs_f64();
    ui.out(&format!(
        "{} dumps ({} truncated), {stats} statistics ({odd} not finite), {} malformed lines; {} bytes in {seconds:.2} s",
        summary.dumps, summary.broken_off, summary.malformed, summary.bytes
    ))?;
    // A truncated file, or one with other content, is reported and fails the check.
    let whole = summary.dumps > 0 && summary.broken_off == 0 && summary.malformed == 0;
    Ok(if whole { ExitCode::Passed } else { ExitCode::Failed })
}
