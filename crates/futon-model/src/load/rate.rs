//! Calls per second, over the length of a load.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Most calls a second that may be asked for.
const MOST: f64 = 10_000_000.0;

/// Calls a second: `500`, in steps of equal length `100,200,400`, or rising (falling) evenly `100..1000`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rate {
    /// One after the other, each for an equal part of the time. One alone is constant.
    Steps(Vec<f64>),
    /// From the first to the second, evenly.
    Ramp(f64, f64),
}

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateError(String);

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a rate: write 500, 100,200,400 or 100..1000 (calls per second)", self.0)
    }
}

impl std::error::Error for RateError {}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let number = |word: &str| match word.trim().parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= MOST => Ok(rate),
            _ => Err(RateError(text.to_owned())),
        };
        match text.split_once("..") {
            Some((from, to)) => Ok(Self::Ramp(number(from)?, number(to)?)),
            None => text.split(',').map(number).collect::<Result<_, _>>().map(Self::Steps),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => f.write_str(&steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            Self::Ramp(from, to) => write!(f, "{from}..{to}"),
        }
    }
}

impl Rate {
    /// Calls a second at the beginning: those of the warm-up.
    #[must_use]
    pub fn first(&self) -> f64 {
        match self {
            Self::Steps(steps) => steps.first().copied().unwrap_or(1.0),
            Self::Ramp(from, _) => *from,
        }
    }

    /// When call `n` (from 0) is due, from the beginning of a load of this length; nothing if that is after its end.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts of calls are far below 2^53")]
    pub fn due(&self, n: u64, length: Duration) -> Option<Duration> {
        let whole = length.as_secs_f64();
        let n = n as f64;
        let at = match self {
            Self::Steps(steps) => {
                let part = whole / steps.len() as f64;
                let mut before = 0.0;
                let mut found = None;
                for (place, rate) in steps.iter().enumerate() {
                    let here = rate * part;
                    if n < before + here {
                        found = Some(part * place as f64 + (n - before) / rate);
                        break;
                    }
                    before += here;
                }
                found?
            }
            Self::Ramp(from, to) => {
                // from·t + (to - from)·t²/(2·whole) calls are due by t.
                let slope = (to - from) / whole;
                let under = from.mul_add(*from, 2.0 * slope * n);
                if under < 0.0 {
                    return None;
                }
                // A form of the root that is exact for a slope of 0.
                2.0 * n / (from + under.sqrt())
            }
        };
        (at < whole).then(|| Duration::from_secs_f64(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rate: &str, seconds: f64) -> Vec<f64> {
        let rate: Rate = rate.parse().unwrap();
        let length = Duration::from_secs_f64(seconds);
        (0..).map_while(|n| rate.due(n, length)).map(|at| at.as_secs_f64()).collect()
    }

    #[test]
    fn a_constant_rate_is_even() {
        assert_eq!(times("4", 1.0), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(times("0.5", 5.0), [0.0, 2.0, 4.0]);
    }

    #[test]
    fn steps_share_the_time() {
        let at = times("2,4", 2.0);
        assert_eq!(at, [0.0, 0.5, 1.0, 1.25, 1.5, 1.75]);
    }

    #[test]
    fn a_ramp_has_its_mean_as_its_count_and_rises() {
        for (rate, count) in [("100..300", 400), ("300..100", 400), ("50..50", 100)] {
            let at = times(rate, 2.0);
            assert!(at.len().abs_diff(count) <= 1, "{rate}: {}", at.len());
            assert!(at.is_sorted(), "{rate}");
        }
        let at = times("100..300", 2.0);
        let first = at.iter().filter(|at| **at < 1.0).count();
        assert!(first.abs_diff(150) <= 1, "{first}: the first half has the lower part");
    }

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        for text in ["500", "100,200,400", "100..1000", "0.5"] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!(serde_json::from_str::<Rate>(&serde_json::to_string(&rate).unwrap()).unwrap(), rate);
        }
        for text in ["", "0", "-1", "x", "1..", "..5", "1,,2", "1..2..3", "inf", "NaN", "1e9"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
