//! Figures of measurements.

use super::*;

/// Rows of one call each: cycles of 1000 instructions.
fn rows(state: &str, cycles: u32, l1i_mpki: Option<f64>) -> Vec<Row> {
    let mpki = l1i_mpki.map_or_else(String::new, |mpki| mpki.to_string());
    let columns = gem5_stats::COLUMNS;
    let cell = |column: &&str| match *column {
        "function" => "f".to_owned(),
        "state" => state.to_owned(),
        "active_cycles" => cycles.to_string(),
        "insts_user" => "1000".to_owned(),
        "insts_kernel" => "0".to_owned(),
        "l1i_mpki" => mpki.clone(),
        _ => String::new(),
    };
    let text = format!("{}\n{}\n", columns.join(","), columns.iter().map(cell).collect::<Vec<_>>().join(","));
    gem5_stats::read_rows(text.as_bytes(), "rows").unwrap()
}

fn compared() -> Figures {
    let mut figures = Figures::new(vec!["warm".into(), "lukewarm:l1i+l1d".into()]);
    for (run, (warm, lukewarm)) in (1..).zip([(1500, 2010), (1600, 2090), (1700, 2200)]) {
        figures.add(run, 0, &rows("warm", warm, Some(30.0))).unwrap();
        figures.add(run, 1, &rows("lukewarm:l1i+l1d", lukewarm, Some(30.0))).unwrap();
    }
    figures
}

#[test]
fn states_are_compared_by_pairs() {
    let figures = compared();
    let table = figures.table();
    // CPI of 1.6 ± 0.248 and 2.1 ± 0.237; the pairs differ by 0.51, 0.49 and 0.5.
    for part in [
        "f: 3 pairs of runs with the same seed",
        "lukewarm is lukewarm:l1i+l1d",
        "1.600 ± 0.248  2.100 ± 0.237  0.500 ± 0.025 (+31.2%)",
        "no difference shown (0.00 ± 0.00)",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let json = figures.as_json().unwrap();
    let cpi = &json["differences"][2];
    assert_eq!((&cpi["metric"], &cpi["pairs"], &cpi["shown"]), (&json!("cpi"), &json!(3), &json!(true)));
    assert_eq!((&cpi["from"], &cpi["to"]), (&json!("warm"), &json!("lukewarm:l1i+l1d")));
    let csv = figures.differences_csv().unwrap();
    assert!(csv.contains("f,instructions,per call,warm,lukewarm:l1i+l1d,3,0,0,0,false,1\n"), "{csv}");
    assert!(csv.contains(",true,0\n"), "each run of the second state is slower than each of the first: {csv}");
    assert!(figures.csv().contains(",warm\n") && figures.csv().contains(",lukewarm:l1i+l1d\n"));
}

#[test]
fn pairs_are_runs_with_the_same_seed_and_what_one_lacks_is_in_none() {
    let mut figures = Figures::new(vec!["warm".into(), "lukewarm:l1i".into()]);
    // The first pair lacks a figure, so that by order alone run 2 would meet run 1.
    for (run, cycles) in [(1, 1000), (2, 2000), (3, 3000)] {
        figures.add(run, 0, &rows("warm", cycles, Some(f64::from(cycles) / 100.0))).unwrap();
        let mpki = (run > 1).then(|| f64::from(cycles) / 100.0 + 1.0);
        figures.add(run, 1, &rows("lukewarm:l1i", cycles, mpki)).unwrap();
    }
    let found = figures.differences().find(|d| d.metric == "l1i_mpki").unwrap();
    assert!(found.interval.runs == 2 && (found.interval.mean - 1.0).abs() < 1e-9, "{:?}", found.interval);
    assert!(found.interval.half < 1e-9);
}

#[test]
fn several_states_are_each_compared_with_the_first() {
    let all = "lukewarm:l1i+l1d+llc+itlb+dtlb";
    let mut figures = Figures::new(["warm", "lukewarm:l1i", all, "interleaved:a+b"].map(str::to_owned).to_vec());
    for run in 1..=3_u32 {
        for (place, (state, cycles)) in
            [("warm", 1500), ("lukewarm:l1i", 1700), (all, 2000), ("interleaved:a+b", 1500)].iter().enumerate()
        {
            figures.add(u64::from(run), place, &rows(state, cycles + 10 * run, None)).unwrap();
        }
    }
    assert_eq!(figures.labels(), ["warm", "lukewarm:l1i", "lukewarm-3", "interleaved"]);
    let table = figures.table();
    for part in [
        "f: 3 runs of each state",
        "lukewarm-3 is lukewarm:l1i+l1d+llc+itlb+dtlb\n",
        "lukewarm:l1i  1.720 ± 0.025  0.200 ± 0.000 (+13.2%)",
        "interleaved   1.520 ± 0.025  no difference shown (0.000 ± 0.000)",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let bars = figures.bars("cpi").unwrap();
    assert_eq!((bars.series.len(), bars.groups.len(), figures.bars("llc_mpki")), (4, 1, None));
    let lines = figures.difference_lines();
    assert!(lines[1..].iter().all(|line| line.len() == lines[0].len()) && lines.len() == 1 + 3 * 3, "{lines:?}");
}

#[test]
fn a_single_run_misleads_where_seeds_differ_more_than_states() {
    // The means differ by 1; of nine pairs of runs two have the other order and one has none.
    assert!((misled(&[(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)], 1.0) - 3.0 / 9.0).abs() < 1e-12);
    assert!(misled(&[(1.0, 2.0), (1.1, 2.1)], 1.0) < 1e-12);
}

#[test]
fn one_state_has_no_differences() {
    let mut figures = Figures::new(vec!["warm".into()]);
    for run in 1..=2 {
        figures.add(run, 0, &rows("warm", 1500, None)).unwrap();
    }
    assert!(figures.table().starts_with("f: 2 runs, means with 95% intervals\n  instructions  1000 ± 0 (0.0%)"));
    assert_eq!((figures.differences_csv(), figures.as_json().unwrap().get("differences")), (None, None));
}

#[test]
fn a_row_of_another_state_is_no_figure_of_this_one() {
    let mut figures = Figures::new(vec!["warm".into()]);
    let error = figures.add(1, 0, &rows("lukewarm:l1i", 1500, None)).unwrap_err();
    assert!(error.to_string().contains("lukewarm:l1i"), "{error}");
}

#[test]
fn every_state_must_be_narrow_enough() {
    let mut figures = Figures::new(vec!["warm".into(), "lukewarm:none".into()]);
    for (run, lukewarm) in [(1, 1000), (2, 9000)] {
        figures.add(run, 0, &rows("warm", 1500, None)).unwrap();
        figures.add(run, 1, &rows("lukewarm:none", lukewarm, None)).unwrap();
    }
    assert!(figures.narrow_enough(None) && !figures.narrow_enough(Some(0.5)));
}
