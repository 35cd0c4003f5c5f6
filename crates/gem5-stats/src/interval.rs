//! Confidence intervals of means over runs.

/// A mean over runs, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Standard deviation of a single run (the sample's, with one degree of freedom less than runs).
    pub deviation: f64,
    /// Half of the 95% confidence interval of the mean: Student's t over the runs, two-sided.
    pub half: f64,
    /// Number of runs.
    pub runs: usize,
}

impl Interval {
    /// Half of the interval as a part of the mean; infinite where the mean is 0.
    #[must_use]
    pub fn relative(&self) -> f64 {
        if self.mean == 0.0 { f64::INFINITY } else { (self.half / self.mean).abs() }
    }

    /// Whether the interval leaves 0 out: for a difference, whether one is shown.
    #[must_use]
    pub fn excludes_zero(&self) -> bool {
        self.mean.abs() > self.half
    }
}

/// 97.5% points of Student's t for 1 to 30 degrees of freedom (Abramowitz and Stegun, table 26.10), and for 40, 60 and 120.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const T_BEYOND: [(usize, f64); 3] = [(120, 1.980), (60, 2.000), (40, 2.021)];

/// Between two entries of the table the wider interval is taken.
fn t(degrees: usize) -> f64 {
    match degrees.checked_sub(1).and_then(|index| T.get(index)) {
        Some(t) => *t,
        None => T_BEYOND.iter().find(|(least, _)| degrees >= *least).map_or(T[29], |(_, t)| *t),
    }
}

/// The interval of the mean of figures, one from each run. None with fewer than two: one run has no interval.
#[must_use]
pub fn interval(values: &[f64]) -> Option<Interval> {
    let runs = values.len();
    if runs < 2 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let count = f64::from(u32::try_from(runs).ok()?);
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0)).sqrt();
    Some(Interval { mean, deviation, half: t(runs - 1) * deviation / count.sqrt(), runs })
}

/// The interval of the mean difference, `after` minus `before`, of pairs that share everything but what is compared. What the two of a
/// pair have in common goes out, so that fewer runs show a difference than two separate intervals would. None with fewer than two pairs.
#[must_use]
pub fn paired(pairs: &[(f64, f64)]) -> Option<Interval> {
    let differences: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
    interval(&differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine runs of fibonacci-go that were evaluated by hand (docs/decisions/staging.md): 1.569 ± 0.017.
    #[test]
    fn nine_runs_have_the_known_interval() {
        let cpi = [1.569, 1.619, 1.573, 1.552, 1.581, 1.575, 1.551, 1.551, 1.554];
        let found = interval(&cpi).unwrap();
        assert!((found.mean - 1.569).abs() < 0.0006, "{found:?}");
        assert!((found.half - 0.017).abs() < 0.0006, "{found:?}");
        assert!((found.deviation - 0.022).abs() < 0.0006, "{found:?}");
        assert!((found.relative() - 0.011).abs() < 0.0005 && found.runs == 9);
    }

    #[test]
    fn one_run_has_no_interval() {
        assert_eq!((interval(&[]), interval(&[1.0]), interval(&[1.0, f64::NAN])), (None, None, None));
        let equal = interval(&[2.0, 2.0]).unwrap();
        assert_eq!((equal.mean, equal.half), (2.0, 0.0));
        // Two runs: 12.7 standard errors.
        assert!((interval(&[1.0, 3.0]).unwrap().half - 12.706).abs() < 1e-9);
    }

    #[test]
    fn pairs_show_what_separate_intervals_do_not() {
        // Runs differ by far more than the two of a pair do.
        let pairs = [(1.0, 1.11), (2.0, 2.09), (3.0, 3.10), (4.0, 4.12), (5.0, 5.08)];
        let found = paired(&pairs).unwrap();
        assert!((found.mean - 0.1).abs() < 1e-9 && found.runs == 5, "{found:?}");
        // Deviation of 0.01 -0.01 0 0.02 -0.02: sqrt(0.001 / 4); 2.776 of its standard errors.
        assert!((found.half - 2.776 * (0.001_f64 / 4.0).sqrt() / 5.0_f64.sqrt()).abs() < 1e-9, "{found:?}");
        assert!(found.excludes_zero());
        let (before, after): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let (before, after) = (interval(&before).unwrap(), interval(&after).unwrap());
        assert!(after.mean - after.half < before.mean + before.half, "they overlap");
    }

    #[test]
    fn no_difference_is_shown_where_there_is_none() {
        let unsure = paired(&[(1.0, 1.5), (1.0, 0.6)]).unwrap();
        assert!(unsure.mean > 0.0 && !unsure.excludes_zero(), "{unsure:?}");
        assert!(!paired(&[(1.0, 1.0), (2.0, 2.0)]).unwrap().excludes_zero());
        // Less is a difference, too, and one that never varies is sure.
        let less = paired(&[(2.0, 1.0), (3.0, 2.0)]).unwrap();
        assert!(less.mean == -1.0 && less.excludes_zero());
        assert_eq!(paired(&[(1.0, 2.0)]), None);
    }

    #[test]
    fn the_table_never_makes_an_interval_narrower_than_it_is() {
        assert_eq!(
            (t(1), t(30), t(31), t(39), t(40), t(59), t(120), t(5000)),
            (12.706, 2.042, 2.042, 2.042, 2.021, 2.021, 1.980, 1.980)
        );
    }
}
