//! A rate and how sure it is.

use serde::Serialize;

/// A rate with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// How often it happened.
    pub count: usize,
    /// Of how many times.
    pub of: usize,
    /// The rate, 0 to 1.
    pub rate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// 97.5% point of the normal distribution.
const Z: f64 = 1.959_963_985;

/// The rate of `count` in `of`, with Wilson's score interval ("Probable Inference, the Law of Succession, and Statistical Inference", 1927):
/// it stays between 0 and 1 and says something where all or none are counted. None of none.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "counts of runs")]
pub fn rate(count: usize, of: usize) -> Option<Rate> {
    if of == 0 || count > of {
        return None;
    }
    let (n, p) = (of as f64, count as f64 / of as f64);
    let z2 = Z * Z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let (low, high) = ((centre - half).clamp(0.0, p), (centre + half).clamp(p, 1.0));
    Some(Rate { count, of, rate: p, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 5e-5
    }

    #[test]
    fn it_is_wilsons_interval() {
        // R: prop.test(3, 10, correct = FALSE) gives 0.1077913 and 0.6032219.
        let three = rate(3, 10).unwrap();
        assert!(near(three.low, 0.10779) && near(three.high, 0.60322), "{three:?}");
        // All of twenty: 0.83887 to 1.
        let all = rate(20, 20).unwrap();
        assert!(near(all.low, 0.83887) && all.high == 1.0, "{all:?}");
        let none = rate(0, 20).unwrap();
        assert!(none.low == 0.0 && near(none.high, 0.16113), "{none:?}");
        assert_eq!((rate(0, 0), rate(2, 1)), (None, None));
    }

    /// The interval holds the true rate about as often as it says.
    #[test]
    fn nineteen_of_twenty_intervals_hold_the_rate() {
        let mut random = crate::random::Random::new(5);
        for truth in [0.1, 0.3, 0.5] {
            let held = (0..2000)
                .filter(|_| {
                    let count = (0..30).filter(|_| random.unit() < truth).count();
                    rate(count, 30).is_some_and(|r| r.low <= truth && truth <= r.high)
                })
                .count();
            assert!((1830..=1990).contains(&held), "{truth}: {held}");
        }
    }
}
