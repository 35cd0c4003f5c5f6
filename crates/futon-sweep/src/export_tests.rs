use std::fs;

use super::*;
use crate::plan::tests::planned;
use crate::store::Done;
use crate::store::tests::{report, store};

/// A result of a cell; with rows of so many cycles for a thousand instructions.
fn keep(store: &Store, sweep: &Sweep, cell: &PlannedCell, outcome: &str, cycles: Option<u32>) {
    let mut report = report(&cell.function, outcome, None);
    let made = store.workplace(&cell.digest, "w").unwrap();
    if let Some(cycles) = cycles {
        let results = made.join(&cell.function).join("results");
        fs::create_dir_all(&results).unwrap();
        let value = |column: &&str| match *column {
            "function" => cell.function.clone(),
            "active_cycles" => cycles.to_string(),
            "insts_user" => "1000".into(),
            "insts_kernel" => "0".into(),
            "cpi" => (f64::from(cycles) / 1000.0).to_string(),
            _ => String::new(),
        };
        let row = COLUMNS.iter().map(value).collect::<Vec<_>>().join(",");
        fs::write(results.join("invocations.csv"), format!("{}\n{row}\n", COLUMNS.join(","))).unwrap();
        let simulation = serde_json::json!({"gem5": "24", "system": "simple", "core": "o3", "boot_core": "atomic", "params": {},
            "params_hash": "", "seed": "1", "software_warmup": 0, "uarch_warmup": 0, "parked_checkpoint": null,
            "function_checkpoint": null, "cpuid": "", "test_only": false, "confined": true, "phases": [], "rows": 1, "converged": null});
        report.functions[0].simulation = Some(serde_json::from_value(simulation).unwrap());
    }
    fs::write(made.join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let done = Done::of(&cell.digest, &report.functions[0]).unwrap();
    store.keep(&made, &sweep.plan.cell(cell), &done, "w").unwrap();
}

#[test]
fn seeds_become_means_and_what_is_missing_is_counted() {
    let (_folder, store) = store();
    let out = tempfile::tempdir().unwrap();
    let sweep = Sweep::new("x", planned("functions = [\"a\"]\nseeds = 3\n[sweep]\nmemory = [512, 1024]\n")).unwrap();
    let cells = &sweep.plan.cells;
    for (cell, cycles) in cells.iter().zip([1500, 2000, 1600, 2100, 1700]) {
        keep(&store, &sweep, cell, "passed", Some(cycles));
    }
    let exported = export(&sweep, &store, out.path()).unwrap();
    assert_eq!((exported.missing, exported.rows, exported.reports.len()), (1, 5, 5));
    let cpi: Vec<&Mean> = exported.means.iter().filter(|mean| mean.metric == "cpi").collect();
    assert_eq!(cpi.iter().map(|mean| mean.title.as_str()).collect::<Vec<_>>(), ["a memory=512", "a memory=1024"]);
    assert_eq!((cpi[0].cells, cpi[0].passed, cpi[1].cells, cpi[1].passed), (3, 3, 3, 2));
    assert!((cpi[0].mean - 1.6).abs() < 1e-9 && (cpi[0].half_95.unwrap() - 0.2484).abs() < 1e-3, "{:?}", cpi[0]);
    let means = fs::read_to_string(out.path().join("means.csv")).unwrap();
    assert!(means.starts_with("function,memory,metric,unit,cells,passed,mean,half_95,deviation\n"), "{means}");
    let table = fs::read_to_string(out.path().join("invocations.csv")).unwrap();
    assert!(table.starts_with("cell,memory,run_id,function,"), "a name that rows have is there once: {table}");
    assert!(table.lines().nth(1).unwrap().starts_with(&format!("{},512,", cells[0].digest)), "{table}");
    // Other programs of ours read it.
    assert_eq!(read_rows(table.as_bytes(), "x").unwrap().len(), 5);
    let listed = fs::read_to_string(out.path().join("cells.csv")).unwrap();
    assert!(listed.starts_with("cell,function,seed,memory,outcome,step,code,duration_ms,"), "{listed}");
    assert_eq!(listed.lines().count(), 6);
}

#[test]
fn only_what_passed_is_in_a_mean_and_one_run_has_no_interval() {
    let (_folder, store) = store();
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("invocations.csv"), "of an earlier export").unwrap();
    let sweep = Sweep::new("x", planned("functions = [\"a\"]\nseeds = 2\n")).unwrap();
    keep(&store, &sweep, &sweep.plan.cells[0], "passed", Some(1500));
    keep(&store, &sweep, &sweep.plan.cells[1], "failed", Some(9000));
    let exported = export(&sweep, &store, out.path()).unwrap();
    let cpi = exported.means.iter().find(|mean| mean.metric == "cpi").unwrap();
    assert_eq!((cpi.passed, cpi.cells, cpi.mean, cpi.half_95), (1, 2, 1.5, None));
    let nothing = Sweep::new("x", planned("functions = [\"b\"]\nseeds = 2\n")).unwrap();
    assert_eq!(export(&nothing, &store, out.path()).unwrap().missing, 2);
    assert!(!out.path().join("invocations.csv").exists(), "rows of an earlier export are none of this one");
}
