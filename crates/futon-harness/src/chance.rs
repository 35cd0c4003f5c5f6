//! What chance alone explains.

/// Normal quantile of a two-sided 95% interval.
const Z: f64 = 1.959_963_984_540_054;

/// 95% interval of a rate, of which `count` in `of` were seen: Wilson's score interval (Wilson, 1927), which is right for few and for none.
#[must_use]
pub fn wilson(count: u32, of: u32) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (f64::from(of), f64::from(count) / f64::from(of));
    let (square, scale) = (Z * Z, 1.0 + Z * Z / n);
    let middle = (p + square / (2.0 * n)) / scale;
    let half = Z / scale * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// How likely two counts differ by chance as much as these do, or more: Fisher's exact test, two-sided (Fisher, 1922). Each is how many of
/// how many.
#[must_use]
pub fn fisher(one: (u32, u32), other: (u32, u32)) -> f64 {
    let (hits, all) = (one.0 + other.0, one.1 + other.1);
    let likelihood =
        |first: u32| (ln_choose(one.1, first) + ln_choose(other.1, hits - first) - ln_choose(all, hits)).exp();
    let seen = likelihood(one.0);
    let first_ones = hits.saturating_sub(other.1)..=hits.min(one.1);
    // As likely as what was seen, or less; the last digits of equal ones differ.
    first_ones.map(likelihood).filter(|p| *p <= seen * (1.0 + 1e-7)).sum::<f64>().min(1.0)
}

fn ln_choose(of: u32, count: u32) -> f64 {
    (1..=count.min(of - count.min(of))).map(|k| (f64::from(of - k + 1) / f64::from(k)).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64) {
        assert!((value - wanted).abs() < 5e-4, "{value} {wanted}");
    }

    #[test]
    fn intervals_are_those_of_the_books() {
        // Values by hand from Wilson's formula; 0 of 10 and 5 of 10 are in many tables.
        let (low, high) = wilson(5, 10);
        near(low, 0.2366);
        near(high, 0.7634);
        let (low, high) = wilson(0, 10);
        near(low, 0.0);
        near(high, 0.2775);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert!(wilson(3, 3).1 <= 1.0);
    }

    #[test]
    fn chance_is_that_of_the_books() {
        // The lady tasting tea, 3 of 4 right: two-sided 0.4857; all 4: 0.0286.
        near(fisher((3, 4), (1, 4)), 0.4857);
        near(fisher((4, 4), (0, 4)), 0.0286);
        near(fisher((5, 5), (0, 5)), 0.0079);
        near(fisher((2, 5), (0, 5)), 0.4444);
        near(fisher((5, 5), (5, 5)), 1.0);
        near(fisher((0, 3), (0, 7)), 1.0);
        near(fisher((1, 9), (11, 12)), 0.0004);
    }
}
