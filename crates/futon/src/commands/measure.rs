//! `futon measure`: several perturbed runs of each function, and how sure their means are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use futon_common::{Context, Error, Result};
use futon_gem5::{Goal, Seed};
use futon_model::ExitCode;
use gem5_stats::{CoreModel, Interval, Row, interval, write_rows};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::rundir::run_folder;
use super::test::run_all;
use crate::cli::{MeasureArgs, On, TestArgs};
use crate::ui::Ui;

/// Warm-up calls of the first run; the next ones make one more each, and then begin anew.
const WARMUP: u64 = 20;
const WARMUPS: u64 = 5;
/// Calls on the measured core that are discarded: its caches and predictors are cold.
const DISCARDED: u64 = 3;

/// What is measured of a run: the mean over its calls.
const METRICS: [(&str, &str); 10] = [
    ("instructions", "per call"),
    ("cycles", "per call"),
    ("cpi", "cycles per instruction"),
    ("l1i_mpki", "misses per 1000 instructions"),
    ("l1d_mpki", "misses per 1000 instructions"),
    ("l2_mpki", "misses per 1000 instructions"),
    ("llc_mpki", "misses per 1000 instructions"),
    ("itlb_mpki", "misses per 1000 instructions"),
    ("dtlb_mpki", "misses per 1000 instructions"),
    ("branch_mpki", "mispredictions per 1000 instructions"),
];

/// The metric that `--ci` looks at.
const DECIDES: &str = "cpi";

/// Figures by function and metric, one from each run.
type Figures = BTreeMap<String, BTreeMap<&'static str, Vec<f64>>>;

/// Measures functions.
pub async fn measure(mut args: MeasureArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    apply_defaults(&mut args.test)?;
    let out = run_folder(args.test.output.out.as_deref(), "futon measure")?;
    let (seed, warmup) = (args.test.machine.gem5.sim_seed.take(), args.test.machine.gem5.software_warmup);
    let warmup = warmup.unwrap_or(WARMUP);
    let begun = Instant::now();
    let (mut figures, mut rows) = (Figures::new(), Vec::new());
    for run in 0.. {
        let number = run + 1;
        args.test.machine.gem5.sim_seed = Some(seed_of(seed.as_ref(), number)?);
        args.test.machine.gem5.software_warmup = Some(warmup + run % WARMUPS);
        args.test.output.out = Some(out.join(format!("run-{number}")));
        let (report, folder) = run_all(&args.test, Goal::Test, ui, cancel.clone()).await?;
        let code = ExitCode::of_all(report.functions.iter().map(|f| &f.verdict));
        if code != ExitCode::Passed {
            ui.result(&report)?;
            let why = format!(
                "run {number} did not pass: nothing is measured; its report is {}",
                folder.join("report.html").display()
            );
            ui.line(&why);
            return Ok(code);
        }
        let more = super::gem5::read(&folder.join("invocations.csv"))?;
        add(&mut figures, &more)?;
        rows.extend(more);
        for (function, metrics) in &figures {
            let known = metrics.get(DECIDES).and_then(|values| interval(values));
            let said =
                known.map_or_else(|| "CPI: one run has no interval".to_owned(), |i| format!("CPI {}", written(&i)));
            ui.line(&format!("  {function}: run {number}: {said}"));
        }
        if number >= u64::from(args.runs) && narrow_enough(&figures, args.ci) {
            break;
        }
        if number >= u64::from(args.runs) && begun.elapsed() >= args.budget {
            ui.line(&format!(
                "the interval of CPI is wider than was asked for, but the budget is spent ({})",
                humantime::format_duration(args.budget)
            ));
            break;
        }
    }
    write(&out, &figures, &rows)?;
    let text = if ui.json() { as_json(&figures)?.to_string() } else { table(&figures) };
    ui.out(&text)?;
    ui.line(&format!("rows: {0}/invocations.csv · intervals: {0}/measure.csv, measure.json", out.display()));
    Ok(ExitCode::Passed)
}

/// What a measurement has beside a test: gem5, a core with cycles, warm-ups.
fn apply_defaults(args: &mut TestArgs) -> Result<()> {
    let given = |id: &str| args.machine.explicit.contains(id);
    let (cpu, discarded) = (given("cpu"), given("uarch_warmup"));
    args.machine.on = On::Gem5;
    let gem5 = &mut args.machine.gem5;
    if !cpu {
        gem5.cpu = CoreModel::O3;
    }
    if !gem5.cpu.has_cycles() {
        return Err(
            Error::usage(format!("--cpu {}: this core counts no cycles", gem5.cpu)).hint("--cpu o3 or --cpu timing")
        );
    }
    if !discarded {
        gem5.uarch_warmup = DISCARDED;
    }
    if args.client.warmup.is_some() {
        return Err(Error::usage("--warmup and --software-warmup mean the same").hint("give --software-warmup"));
    }
    Ok(())
}

/// The seed of a run: named, so that the run can be made again.
fn seed_of(given: Option<&Seed>, run: u64) -> Result<Seed> {
    let text = given.map_or_else(|| run.to_string(), |seed| format!("{seed}x{run}"));
    text.parse().map_err(|e| Error::usage(format!("--sim-seed: {e}")))
}

/// Adds a run's figures: for each function the means over its calls, misses weighted by instructions.
fn add(figures: &mut Figures, rows: &[Row]) -> Result<()> {
    let mut by_function: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_function.entry(row.get("function").unwrap_or_default()).or_default().push(row);
    }
    for (function, calls) in by_function {
        let count = f64::from(u32::try_from(calls.len()).unwrap_or(u32::MAX));
        let insts: Option<f64> = calls.iter().map(|row| row.insts).sum();
        let cycles: Option<f64> = calls.iter().map(|row| row.number("active_cycles")).sum();
        let (Some(insts), Some(cycles)) = (insts, cycles) else {
            return Err(Error::infra(format!("{function}: a call has no instructions or cycles in gem5's statistics"))
                .hint("`futon stats check` shows what a stats.txt holds"));
        };
        let metrics = figures.entry(function.to_owned()).or_default();
        for (metric, _) in METRICS {
            let value = match metric {
                "instructions" => Some(insts / count),
                "cycles" => Some(cycles / count),
                "cpi" => Some(cycles / insts),
                other => {
                    let misses: Option<f64> = calls.iter().map(|row| Some(row.number(other)? * row.insts?)).sum();
                    misses.map(|misses| misses / insts)
                }
            };
            // A system may lack a cache.
            if let Some(value) = value {
                metrics.entry(metric).or_default().push(value);
            }
        }
    }
    Ok(())
}

/// Whether each function's CPI is known well enough. Without a wish it is.
fn narrow_enough(figures: &Figures, wanted: Option<f64>) -> bool {
    let Some(wanted) = wanted else { return true };
    figures.values().all(|metrics| {
        let known = metrics.get(DECIDES).and_then(|values| interval(values));
        known.is_some_and(|interval| interval.relative() <= wanted)
    })
}

fn intervals(figures: &Figures) -> impl Iterator<Item = (&str, &'static str, &'static str, Interval)> {
    figures.iter().flat_map(|(function, metrics)| {
        METRICS.iter().filter_map(move |(metric, unit)| {
            Some((function.as_str(), *metric, *unit, interval(metrics.get(metric)?)?))
        })
    })
}

/// A mean and its interval with as many digits as say something.
fn written(i: &Interval) -> String {
    let digits = if i.mean.abs() >= 1000.0 {
        0
    } else if i.mean.abs() >= 10.0 {
        2
    } else {
        3
    };
    format!("{:.digits$} ± {:.digits$} ({:.1}%)", i.mean, i.half, 100.0 * i.relative())
}

fn table(figures: &Figures) -> String {
    let mut text = String::new();
    for function in figures.keys() {
        let lines = intervals(figures).filter(|(name, ..)| name == function);
        let mut first = true;
        for (name, metric, unit, interval) in lines {
            if std::mem::take(&mut first) {
                text += &format!("{name}: {} runs, means with 95% intervals\n", interval.runs);
            }
            text += &format!("  {metric:<13} {}  {unit}\n", written(&interval));
        }
    }
    text += "an uncalibrated model: compare, do not quote";
    text
}

fn as_json(figures: &Figures) -> Result<serde_json::Value> {
    let of = |(function, metric, unit, i): (&str, &str, &str, Interval)| {
        json!({ "function": function, "metric": metric, "unit": unit, "runs": i.runs, "mean": i.mean, "half_95": i.half,
            "deviation": i.deviation, "values": figures[function][metric] })
    };
    let list: Vec<_> = intervals(figures).map(of).collect();
    serde_json::to_value(json!({ "schema": "futon.measure/1", "intervals": list }))
        .context(|| "cannot write the intervals".into())
}

fn write(out: &Path, figures: &Figures, rows: &[Row]) -> Result<()> {
    let put = |name: &str, text: String| {
        let path = out.join(name);
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))
    };
    let mut csv = "function,metric,unit,runs,mean,half_95,deviation\n".to_owned();
    for (function, metric, unit, i) in intervals(figures) {
        csv += &format!("{function},{metric},{unit},{},{},{},{}\n", i.runs, i.mean, i.half, i.deviation);
    }
    put("measure.csv", csv)?;
    put("measure.json", as_json(figures)?.to_string())?;
    let path = out.join("invocations.csv");
    let failed = || format!("cannot write {}", path.display());
    write_rows(File::create(&path).context(failed)?, rows).context(failed)
}
