//! Times: how long calls took, over all and part by part, and how busy the client's own core was.

use std::fs;
use std::time::{Duration, Instant};

use futon_model::{LoadLatency, LoadPoint, LoadSecond};
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

/// Longest latency that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(3600);
/// Parts of a load that are told one by one.
const PARTS: u32 = 60;
/// Shortest part.
const SHORTEST: Duration = Duration::from_millis(100);
/// Points of the distribution that are told.
const POINTS: [f64; 19] =
    [0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0];

/// Measures calls.
#[derive(Debug)]
pub struct Meter {
    all: Histogram<u64>,
    part: Histogram<u64>,
    parts: Vec<LoadSecond>,
    length: Duration,
    begin: Instant,
    part_end: Instant,
    last: Instant,
    busy: Busy,
}

impl Meter {
    /// For a load of this length that begins to count at `begin`.
    ///
    /// # Errors
    /// There is no memory for histograms.
    pub fn new(begin: Instant, length: Duration) -> Result<Self, String> {
        let made = |digits| {
            let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
            Histogram::new_with_bounds(1, longest, digits).map_err(|error| format!("no histogram: {error}"))
        };
        let part = (length / PARTS).max(SHORTEST).min(length.max(Duration::from_millis(1)));
        Ok(Self {
            all: made(3)?,
            part: made(2)?,
            parts: Vec::with_capacity(2 * PARTS as usize),
            length: part,
            begin,
            part_end: begin + part,
            last: begin,
            busy: Busy::now(begin),
        })
    }

    /// The measured calls begin.
    pub fn start(&mut self, now: Instant) {
        self.busy = Busy::now(now);
    }

    /// A measured call has ended.
    pub fn ended(&mut self, since: Instant, now: Instant, whole: bool) {
        while now >= self.part_end {
            self.end_part();
        }
        self.last = self.last.max(now);
        if whole {
            let nanos = u64::try_from(now.saturating_duration_since(since).as_nanos()).unwrap_or(u64::MAX);
            self.all.saturating_record(nanos);
            self.part.saturating_record(nanos);
        }
    }

    fn end_part(&mut self) {
        let until_s = self.part_end.saturating_duration_since(self.begin).as_secs_f64();
        let at = |percent| millis(self.part.value_at_percentile(percent));
        #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let replies_per_s = self.part.len() as f64 / self.length.as_secs_f64();
        let part = LoadSecond { until_s, replies_per_s, p50: at(50.0), p99: at(99.0), max: millis(self.part.max()) };
        self.parts.push(part);
        self.part.reset();
        self.part_end += self.length;
    }

    /// Ends the last part.
    pub fn finish(&mut self) {
        if !self.part.is_empty() {
            self.end_part();
        }
    }

    /// From the first measured call's time to the last one's end; at least the time in which calls were sent.
    pub fn duration(&self, sent: Duration) -> Duration {
        self.last.saturating_duration_since(self.begin).max(sent)
    }

    /// Latencies in numbers.
    pub fn latency(&self) -> Option<LoadLatency> {
        let at = |percent| millis(self.all.value_at_percentile(percent));
        (!self.all.is_empty()).then(|| LoadLatency {
            min: millis(self.all.min()),
            mean: self.all.mean() / 1e6,
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p99_9: at(99.9),
            p99_99: at(99.99),
            max: millis(self.all.max()),
        })
    }

    /// The distribution.
    pub fn points(&self) -> Vec<LoadPoint> {
        let point = |percent: f64| LoadPoint { percent, ms: millis(self.all.value_at_percentile(percent)) };
        if self.all.is_empty() { Vec::new() } else { POINTS.into_iter().map(point).collect() }
    }

    /// The load over time.
    pub fn parts(&self) -> Vec<LoadSecond> {
        self.parts.clone()
    }

    /// Part of the time since the start in which this thread ran or waited for a core.
    pub fn busy(&self, now: Instant) -> f64 {
        Busy::now(now).since(&self.busy)
    }
}

#[allow(clippy::cast_precision_loss, reason = "latencies are far below 2^53 ns")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// What this thread has had of its core.
#[derive(Debug, Clone, Copy)]
struct Busy {
    at: Instant,
    used: Duration,
}

impl Busy {
    fn now(at: Instant) -> Self {
        let ran = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(ran.tv_sec).unwrap_or_default();
        let ran = Duration::new(seconds, u32::try_from(ran.tv_nsec).unwrap_or_default());
        // proc(5): time on a core, time in its queue, slices. Kernels without scheduler statistics have no such file.
        let waited = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let waited = waited.and_then(|text| text.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default();
        Self { at, used: ran + Duration::from_nanos(waited) }
    }

    fn since(&self, before: &Self) -> f64 {
        let whole = self.at.saturating_duration_since(before.at).as_secs_f64();
        let used = self.used.saturating_sub(before.used).as_secs_f64();
        if whole > 0.0 { (used / whole).min(1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_counted_over_all_and_part_by_part() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        let mut meter = Meter::new(begin, ms(1000)).unwrap();
        for n in 1..=100 {
            meter.ended(begin + ms(5 * n), begin + ms(5 * n + n), true);
        }
        meter.ended(begin, begin + ms(990), false);
        meter.finish();
        let latency = meter.latency().unwrap();
        for (got, wanted) in
            [(latency.p50, 50.0), (latency.p99, 99.0), (latency.max, 100.0), (latency.min, 1.0), (latency.mean, 50.5)]
        {
            assert!((got - wanted).abs() / wanted < 0.002, "{got} {wanted}");
        }
        let parts = meter.parts();
        let replies: f64 = parts.iter().map(|part| part.replies_per_s * 0.1).sum();
        assert!((replies - 100.0).abs() < 1e-6, "{replies}: what is not whole counts nowhere");
        assert!((parts[0].until_s - 0.1).abs() < 1e-9 && parts.is_sorted_by(|a, b| a.until_s < b.until_s));
        assert_eq!((meter.duration(ms(500)), meter.duration(ms(2000))), (ms(990), ms(2000)));
        assert!(meter.points().is_sorted_by(|a, b| a.ms <= b.ms));
    }

    #[test]
    fn a_thread_that_spins_is_busy_and_one_that_sleeps_is_not() {
        let begin = Instant::now();
        let mut meter = Meter::new(begin, Duration::from_secs(1)).unwrap();
        meter.start(begin);
        while begin.elapsed() < Duration::from_millis(100) {}
        assert!(meter.busy(Instant::now()) > 0.9, "ran, or waited for its core");
        meter.start(Instant::now());
        std::thread::sleep(Duration::from_millis(200));
        assert!(meter.busy(Instant::now()) < 0.5);
    }
}
