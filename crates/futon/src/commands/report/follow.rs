//! `futon report trend`: how functions fared over stored runs.

use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use futon_cli::ReportTrendArgs;
use futon_common::text::{counted, one_line};
use futon_common::{Context, Result, require_writable, write_whole};
use futon_harness::report::{rate_words, trend_page};
use futon_model::{ExitCode, Report};
use futon_terminal::{Ui, columns, wrap};
use report_diff::{Break, FunctionTrend, Trend, trend};

use super::stored::{Stored, below};

const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Follows the functions of stored runs.
pub fn follow(args: &ReportTrendArgs, ui: &mut Ui) -> Result<ExitCode> {
    args.out.as_deref().map_or(Ok(()), |path| require_writable("--out", path))?;
    ui.start("reading reports");
    let read = read(&args.runs, ui);
    ui.stop();
    let found = trend(&read?);
    if let Some(path) = &args.out {
        write_whole(path, trend_page(&found).as_bytes())?;
        ui.line(&format!("page: {}", path.display()));
    }
    let text = if args.json {
        serde_json::to_string_pretty(&found).context(|| "cannot write the trend".into())?
    } else {
        table(&found, columns())
    };
    ui.out(&text)?;
    Ok(ExitCode::Passed)
}

/// The reports of the named runs, and of all runs in named folders. In a folder of many, one that cannot be read is left out with a word.
fn read(paths: &[PathBuf], ui: &Ui) -> Result<Vec<(String, Report)>> {
    let mut found: Vec<(PathBuf, String, Report)> = Vec::new();
    let mut add = |path: &Path| -> Result<()> {
        let stored = Stored::read(path)?;
        let place = stored.folder.canonicalize().unwrap_or_else(|_| stored.folder.clone());
        // `runs/latest` and the run it leads to are one.
        if found.iter().all(|(other, _, _)| *other != place) {
            found.push((place, path.display().to_string(), stored.report));
        }
        Ok(())
    };
    for path in paths {
        if Stored::file(path).is_some() {
            add(path)?;
            continue;
        }
        let inner = below(path);
        if inner.is_empty() {
            // Says that there is none.
            add(path)?;
        }
        for run in inner {
            if let Err(e) = add(&run) {
                ui.line(&format!("left out: {e}"));
            }
        }
    }
    Ok(found.into_iter().map(|(_, name, report)| (name, report)).collect())
}

fn table(found: &Trend, columns: usize) -> String {
    let order = if found.runs.len() > 1 { ", the oldest first" } else { "" };
    let mut lines = vec![format!("{}{order}", counted(found.runs.len(), "run"))];
    for f in &found.functions {
        lines.extend(function(f, found, columns));
    }
    lines.join("\n")
}

fn function(f: &FunctionTrend, found: &Trend, columns: usize) -> Vec<String> {
    let room = columns.saturating_sub(4).max(10);
    let signs: Vec<char> = f.marks.iter().map(|mark| mark.sign()).collect();
    let first = signs.len().saturating_sub(room);
    let style = if f.broken.is_some() { BAD } else { Style::new() };
    let mut lines = vec![
        format!("{style}{}{style:#}", one_line(&f.name)),
        format!("    {}", signs[first..].iter().collect::<String>()),
    ];
    let mut say = |text: &str, style: Style| {
        // A report may come from anywhere: its words must not steer the terminal.
        lines.extend(wrap(&one_line(text), room).into_iter().map(|line| format!("    {style}{line}{style:#}")));
    };
    let times = [(f.median_ms, "length"), (f.median_p50_ms, "latency p50")];
    let medians = times.iter().filter_map(|(ms, what)| Some(format!("median {what} {}", millis((*ms)?))));
    let rate = f.passed.as_ref().map(|rate| format!("passed {}", rate_words(rate)));
    let mut all: Vec<String> = rate.into_iter().chain(medians).collect();
    if f.emulated && f.median_p50_ms.is_some() {
        all.push("emulated: not a performance result".to_owned());
    }
    say(&all.join(" · "), FAINT);
    if let Some(broken) = &f.broken {
        say(&since(broken, found), Style::new());
    }
    lines
}

fn since(broken: &Break, found: &Trend) -> String {
    let run = |place: usize| found.runs.get(place).map_or("", |run| run.name.as_str());
    let v = &broken.verdict;
    let mut text = format!("fails since {} ({}: {})", run(broken.first_bad), v.step.as_deref().unwrap_or("run"), v.why);
    match broken.last_good {
        None => text.push_str("; it passed in none of these runs"),
        Some(good) => {
            let names: Vec<&str> = broken.inputs.iter().map(|change| change.name.as_str()).collect();
            let changed = if names.is_empty() { "nothing that the reports name".to_owned() } else { names.join(", ") };
            text.push_str(&format!("; last passed in {}; changed in between: {changed}", run(good)));
            text.push_str(&format!(" (futon report diff {} {})", run(good), run(broken.first_bad)));
        }
    }
    text
}

fn millis(value: f64) -> String {
    if value >= 1000.0 { format!("{:.1} s", value / 1000.0) } else { format!("{value:.1} ms") }
}
