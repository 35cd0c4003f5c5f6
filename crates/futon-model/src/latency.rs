//! Latencies in numbers: percentiles and a histogram. Durations in, milliseconds out.

use std::time::Duration;

use crate::{HistogramBucket as Bucket, LatencyMs as Latency};

/// Milliseconds, to the microsecond.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

/// Percentiles by nearest rank (each is one of the measured values), and the mean. `None` without
/// values.
#[must_use]
pub fn summary(latencies: &[Duration]) -> Option<Latency> {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let percentile = |percent: usize| {
        let rank = (percent * sorted.len()).div_ceil(100).max(1);
        millis(sorted.get(rank - 1).copied().unwrap_or(max))
    };
    let count = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
    Some(Latency {
        p50: percentile(50),
        p90: percentile(90),
        p99: percentile(99),
        max: millis(max),
        min: millis(min),
        mean: millis(sorted.iter().sum::<Duration>() / count),
    })
}

/// Counts per bucket. Bounds go 1, 2, 5, 10… µs; a bucket holds what is above the bound before
/// it and not above its own. From the first bucket with a count to the last.
#[must_use]
pub fn histogram(latencies: &[Duration]) -> Vec<Bucket> {
    let (Some(min), Some(max)) = (latencies.iter().min(), latencies.iter().max()) else {
        return Vec::new();
    };
    let mut below = Duration::ZERO;
    let mut buckets = Vec::new();
    for bound in bounds() {
        if bound >= *min {
            let inside = |latency: &&Duration| **latency <= bound && (**latency > below || below.is_zero());
            let count = latencies.iter().filter(inside).count();
            buckets.push(Bucket { le_ms: millis(bound), count: count as u64 });
        }
        if bound >= *max {
            break;
        }
        below = bound;
    }
    buckets
}

/// 1 µs to 50 minutes and more, in steps of 1, 2, 5.
fn bounds() -> impl Iterator<Item = Duration> {
    (0..10).flat_map(|exponent| [1, 2, 5].map(|digit| Duration::from_micros(digit * 10_u64.pow(exponent))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[u64]) -> Vec<Duration> {
        values.iter().map(|value| Duration::from_millis(*value)).collect()
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let latency = summary(&ms(&(1..=100).rev().collect::<Vec<_>>())).unwrap();
        assert_eq!((latency.p50, latency.p90, latency.p99), (50.0, 90.0, 99.0));
        assert_eq!((latency.min, latency.max, latency.mean), (1.0, 100.0, 50.5));
        let one = summary(&ms(&[7])).unwrap();
        assert_eq!((one.p50, one.p99, one.mean), (7.0, 7.0, 7.0));
        assert!(summary(&[]).is_none());
    }

    #[test]
    fn every_value_is_in_one_bucket() {
        let values = ms(&[1, 1, 2, 3, 9, 40]);
        let found: Vec<_> = histogram(&values).iter().map(|bucket| (bucket.le_ms, bucket.count)).collect();
        assert_eq!(found, [(1.0, 2), (2.0, 1), (5.0, 1), (10.0, 1), (20.0, 0), (50.0, 1)]);
        assert!(histogram(&[]).is_empty());
        assert_eq!(histogram(&[Duration::ZERO]).len(), 1);
    }

    #[test]
    fn milliseconds_keep_microseconds() {
        assert!((millis(Duration::from_nanos(1_234_567)) - 1.234).abs() < 1e-9);
    }
}
