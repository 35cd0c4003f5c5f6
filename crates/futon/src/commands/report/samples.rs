//! What was measured of a function, call by call: reports have only percentiles, the rest lies in the run's folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futon_common::Result;
use futon_model::{FunctionReport, LatencyMs, summary};
use futon_workdir::WorkDir;
use gem5_stats::METRICS;
use gem5_stats::Row;
use report_diff::{Samples, Values};

use super::stored::Stored;

/// The samples of a function of a report.
pub fn samples(stored: &Stored, f: &FunctionReport) -> Samples {
    if f.load.is_some() {
        return missing("a load's latencies are kept as percentiles, which cannot be tested for noise");
    }
    let simulated = f.simulation.as_ref().is_some_and(|s| s.rows > 0);
    let latency = f.invocations.as_ref().and_then(|calls| calls.latency_ms).filter(|_| f.simulation.is_none());
    if !simulated && latency.is_none() {
        return Samples::default();
    }
    let found = results(stored, f);
    let read = match (&found, latency) {
        (None, _) => return missing("its calls were measured, but the run's folder is gone"),
        (Some(results), Some(latency)) => latencies(results, &latency),
        (Some(results), None) => rows(results, f),
    };
    read.unwrap_or_else(|e| missing(&format!("its calls were measured, but the files cannot be read: {e}")))
}

fn missing(why: &str) -> Samples {
    Samples { figures: Vec::new(), missing: Some(why.to_owned()) }
}

/// The folder with a function's results: beside the report, wherever the run's folder is now, or where the report says.
fn results(stored: &Stored, f: &FunctionReport) -> Option<PathBuf> {
    let own = stored.folder.join("run.json").is_file().then(|| stored.folder.clone());
    let places = [Some(stored.folder.join(&f.name).join("results")), own, Some(PathBuf::from(&f.folder))];
    places.into_iter().flatten().find(|place| place.join("events.jsonl").is_file())
}

/// Latencies of the calls, made from the guest's uploads as for the report.
fn latencies(results: &Path, reported: &LatencyMs) -> Result<Samples> {
    let workdir = WorkDir::open(results.parent().unwrap_or(results))?;
    let client = workdir.client_report(&workdir.read_events()?);
    let values: Vec<f64> = client.map(|client| client.latencies_ms.into_iter().flatten().collect()).unwrap_or_default();
    if values.is_empty() {
        return Ok(missing("its calls were measured, but their latencies are not in the run's folder"));
    }
    // A folder may have been used again since.
    if !same(&values, reported) {
        return Ok(missing(&format!("the latencies in {} are those of another run", results.display())));
    }
    Ok(Samples { figures: vec![Values { figure: "latency".into(), unit: "ms".into(), values }], missing: None })
}

/// Whether these are the latencies that a report is of.
fn same(values: &[f64], reported: &LatencyMs) -> bool {
    let durations: Vec<Duration> = values.iter().map(|ms| Duration::from_secs_f64((ms / 1000.0).max(0.0))).collect();
    // Both are whole microseconds.
    let near = |a: f64, b: f64| (a - b).abs() < 0.002;
    summary(&durations).is_some_and(|found| near(found.p50, reported.p50) && near(found.max, reported.max))
}

/// Counts of the simulated calls.
fn rows(results: &Path, f: &FunctionReport) -> Result<Samples> {
    let rows = futon_figures::read(&results.join("invocations.csv"))?;
    if f.simulation.as_ref().is_some_and(|s| s.rows != rows.len()) {
        return Ok(missing(&format!("the rows in {} are those of another run", results.display())));
    }
    let value = |row: &Row, metric: &str| match metric {
        "instructions" => row.insts,
        "cycles" => row.number("active_cycles"),
        other => row.number(other),
    };
    let figure = |(metric, unit): &(&str, &str)| {
        // A system may lack a cache.
        let values: Option<Vec<f64>> = rows.iter().map(|row| value(row, metric)).collect();
        values.map(|values| Values { figure: (*metric).to_owned(), unit: (*unit).to_owned(), values })
    };
    Ok(Samples { figures: METRICS.iter().filter_map(figure).collect(), missing: None })
}

#[cfg(test)]
mod tests {
    use gem5_stats::COLUMNS;
    use serde_json::json;

    use super::*;

    /// A simulated function's report, and its rows in a folder: CPI by call.
    fn simulated(folder: &Path, rows: usize, cpi: &[&str]) -> FunctionReport {
        let cell = |column: &&str, cpi: &str| match *column {
            "function" => "f".to_owned(),
            "insts_user" => "1000".to_owned(),
            "insts_kernel" => "24".to_owned(),
            "active_cycles" => "2048".to_owned(),
            "cpi" => cpi.to_owned(),
            _ => String::new(),
        };
        let line = |cpi: &&str| COLUMNS.iter().map(|column| cell(column, cpi)).collect::<Vec<_>>().join(",");
        let lines: Vec<String> = [COLUMNS.join(",")].into_iter().chain(cpi.iter().map(line)).collect();
        std::fs::write(folder.join("invocations.csv"), lines.join("\n")).unwrap();
        std::fs::write(folder.join("events.jsonl"), "").unwrap();
        let simulation = json!({"gem5": "24", "system": "simple", "core": "o3", "boot_core": "qemu", "params": {}, "params_hash": "",
            "seed": "1", "software_warmup": 0, "uarch_warmup": 0, "parked_checkpoint": null, "function_checkpoint": null,
            "cpuid": "", "test_only": false, "confined": true, "phases": [], "rows": rows, "converged": null});
        serde_json::from_value(json!({"name": "f", "image": null, "digests": [], "proof": "full", "steps": [],
            "machine": {"kind": "gem5", "version": "", "accelerator": "none", "accelerator_reason": "", "vcpus": 2,
                "memory_mib": 1024, "base_image": "", "kernel": ""},
            "verdict": {"outcome": "passed", "step": null, "code": "all_witnesses_agree", "why": ""},
            "invocations": null, "remarks": [], "duration_ms": 1, "folder": folder, "simulation": simulation}))
        .unwrap()
    }

    #[test]
    fn simulated_calls_have_their_counts_and_no_latency() {
        let folder = tempfile::tempdir().unwrap();
        let f = simulated(folder.path(), 3, &["1.5", "1.6", "1.7"]);
        let report = futon_harness::report::report(vec![f.clone()], std::time::UNIX_EPOCH, Duration::ZERO);
        let stored = Stored { report, folder: "/nowhere".into() };
        let found = samples(&stored, &f);
        let of =
            |name: &str| found.figures.iter().find(|figure| figure.figure == name).map(|figure| figure.values.clone());
        assert_eq!(of("cpi"), Some(vec![1.5, 1.6, 1.7]), "{found:?}");
        assert_eq!((of("instructions"), of("cycles")), (Some(vec![1024.0; 3]), Some(vec![2048.0; 3])));
        // A system without a cache, and a machine whose host time says nothing.
        assert_eq!((of("l2_mpki"), of("latency"), &found.missing), (None, None, &None));
        // One row less than the report has: the folder was used again.
        let fewer = simulated(folder.path(), 3, &["1.5", "1.6"]);
        assert!(samples(&stored, &fewer).missing.is_some_and(|why| why.contains("another run")));
    }

    #[test]
    fn latencies_of_another_run_are_told_apart() {
        let reported = LatencyMs { p50: 2.001, p90: 3.0, p99: 3.0, max: 3.0, min: 1.0, mean: 2.0 };
        assert!(same(&[1.0, 2.001, 3.0], &reported));
        assert!(!same(&[1.0, 2.01, 3.0], &reported) && !same(&[1.0, 2.001, 3.1], &reported) && !same(&[], &reported));
    }
}
