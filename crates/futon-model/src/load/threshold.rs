//! What a load must not exceed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::latency::LoadLatency;

/// A latency and its maximum: `p99=20ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Threshold {
    /// Which.
    pub measure: Measure,
    /// Latency of at most this many microseconds.
    pub at_most_us: u64,
}

/// A latency that a threshold limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Measure {
    /// Mean.
    #[serde(rename = "mean")]
    Mean,
    /// Median.
    #[serde(rename = "p50")]
    P50,
    /// 90th percentile.
    #[serde(rename = "p90")]
    P90,
    /// 99th percentile.
    #[serde(rename = "p99")]
    P99,
    /// 99.9th percentile.
    #[serde(rename = "p99.9")]
    P999,
    /// 99.99th percentile.
    #[serde(rename = "p99.99")]
    P9999,
    /// Largest.
    #[serde(rename = "max")]
    Max,
}

const NAMES: [(&str, Measure); 7] = [
    ("mean", Measure::Mean),
    ("p50", Measure::P50),
    ("p90", Measure::P90),
    ("p99", Measure::P99),
    ("p99.9", Measure::P999),
    ("p99.99", Measure::P9999),
    ("max", Measure::Max),
];

impl Measure {
    /// Its value, milliseconds.
    #[must_use]
    pub fn of(self, latency: &LoadLatency) -> f64 {
        match self {
            Self::Mean => latency.mean,
            Self::P50 => latency.p50,
            Self::P90 => latency.p90,
            Self::P99 => latency.p99,
            Self::P999 => latency.p99_9,
            Self::P9999 => latency.p99_99,
            Self::Max => latency.max,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(_, measure)| measure == self).map_or("", |(name, _)| *name))
    }
}

/// A text that is no threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThresholdError(String);

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        write!(f, "{:?} is not a threshold: write one of {} and a time, as in p99=20ms", self.0, names.join(", "))
    }
}

impl std::error::Error for ThresholdError {}

impl Threshold {
    /// How the threshold is exceeded, for people; nothing if it holds.
    #[must_use]
    pub fn exceeded(&self, latency: &LoadLatency) -> Option<String> {
        let got = self.measure.of(latency);
        let most = self.at_most_ms();
        (got > most).then(|| format!("{} is {got:.3} ms, above the limit of {most} ms", self.measure))
    }

    /// At most so many milliseconds.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn at_most_ms(&self) -> f64 {
        self.at_most_us as f64 / 1000.0
    }

    /// From its name and the longest time.
    ///
    /// # Errors
    /// No measure has the name.
    pub fn new(name: &str, at_most: Duration) -> Result<Self, ThresholdError> {
        let (_, measure) =
            NAMES.iter().find(|(known, _)| *known == name).ok_or_else(|| ThresholdError(name.to_owned()))?;
        Ok(Self { measure: *measure, at_most_us: u64::try_from(at_most.as_micros()).unwrap_or(u64::MAX) })
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let wrong = || ThresholdError(text.to_owned());
        let (name, time) = text.split_once('=').ok_or_else(wrong)?;
        let digits = time.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match &time[digits.len()..] {
            "us" => 1.0,
            "ms" => 1000.0,
            "s" => 1_000_000.0,
            _ => return Err(wrong()),
        };
        let number: f64 = digits.parse().map_err(|_| wrong())?;
        if !(number > 0.0 && number < 1e9) {
            return Err(wrong());
        }
        Self::new(name, Duration::from_secs_f64(number * factor / 1e6)).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_read_and_held_against_numbers() {
        let threshold: Threshold = "p99.9=1.5ms".parse().unwrap();
        assert_eq!((threshold.measure, threshold.at_most_us), (Measure::P999, 1500));
        let latency = LoadLatency { p99_9: 1.6, ..LoadLatency::default() };
        assert_eq!(threshold.exceeded(&latency).unwrap(), "p99.9 is 1.600 ms, above the limit of 1.5 ms");
        assert_eq!(threshold.exceeded(&LoadLatency { p99_9: 1.5, ..latency }), None);
        assert_eq!("max=2s".parse::<Threshold>().unwrap().at_most_us, 2_000_000);
        for bad in ["p99", "p98=1ms", "p99=1", "p99=0ms", "p99=-1ms", "p99=xms", "=1ms", "p99=1h"] {
            let error = bad.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains("as in p99=20ms"), "{bad}: {error}");
        }
    }
}
