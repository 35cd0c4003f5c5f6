//! What a run says about its function: means over its calls.

use futon_common::{Error, Result};

use super::rows::Row;

/// What is measured of a run, with its unit: the mean over its calls.
pub const METRICS: [(&str, &str); 10] = [
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

/// A run's figures of one function, those of [`METRICS`] that its system has.
///
/// # Errors
/// When a call has no instructions or cycles.
pub fn of_a_run(function: &str, calls: &[&Row]) -> Result<Vec<(&'static str, f64)>> {
    let insts: Option<f64> = calls.iter().map(|row| row.insts).sum();
    let cycles: Option<f64> = calls.iter().map(|row| row.number("active_cycles")).sum();
    let (Some(insts), Some(cycles)) = (insts, cycles) else {
        return Err(Error::infra(format!("{function}: a call has no instructions or cycles in gem5's statistics"))
            .hint("`futon stats check` shows what a stats.txt holds"));
    };
    let value = |metric| match metric {
        "instructions" => Some(insts / count(calls.len())),
        "cycles" => Some(cycles / count(calls.len())),
        "cpi" => Some(cycles / insts),
        other => {
            let misses: Option<f64> = calls.iter().map(|row| Some(row.number(other)? * row.insts?)).sum();
            misses.map(|misses| misses / insts)
        }
    };
    // A system may lack a cache.
    Ok(METRICS.iter().filter_map(|(metric, _)| Some((*metric, value(metric)?))).collect())
}

fn count(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}
