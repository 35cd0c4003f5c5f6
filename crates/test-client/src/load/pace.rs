//! When the next call is to be sent.

use std::time::{Duration, Instant};

use futon_model::{LoadPlan, Rate};

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A call is to be sent. Its time counts from here, and it is measured or not.
    Send(Instant, bool),
    /// Nothing before this moment.
    At(Instant),
    /// Nothing before a call has ended.
    Full,
    /// No further call.
    Over,
}

/// The times of all calls. A closed loop sends a call when one has ended; an open loop has a time for each, whatever became of those
/// before, and latencies count from it.
#[derive(Debug)]
pub struct Pace {
    rate: Option<Rate>,
    in_flight: usize,
    warm: Instant,
    begin: Instant,
    length: Duration,
    /// How long after the end calls are still sent that were due before it.
    patience: Duration,
    warmups: u64,
    measured: u64,
}

impl Pace {
    /// The times of a load that begins at `now`.
    pub fn new(plan: &LoadPlan, now: Instant, patience: Duration) -> Self {
        Self {
            rate: plan.rate.clone(),
            in_flight: plan.in_flight() as usize,
            warm: now,
            begin: now + plan.warmup,
            length: plan.duration,
            patience,
            warmups: 0,
            measured: 0,
        }
    }

    /// When measured calls begin.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// When the last one is due at the latest.
    pub fn end(&self) -> Instant {
        self.begin + self.length
    }

    /// What is to be done now, with so many calls in flight.
    pub fn next(&self, now: Instant, in_flight: usize) -> Next {
        let Some(rate) = &self.rate else {
            return match (now >= self.end(), in_flight < self.in_flight) {
                (true, _) => Next::Over,
                (false, true) => Next::Send(now, now >= self.begin),
                (false, false) => Next::Full,
            };
        };
        let (due, measured) = match self.warmup(rate) {
            Some(due) => (due, false),
            None => match rate.due(self.measured, self.length) {
                Some(at) => (self.begin + at, true),
                None => return Next::Over,
            },
        };
        if due > now {
            Next::At(due)
        } else if now > self.end() + self.patience {
            Next::Over
        } else if in_flight < self.in_flight {
            Next::Send(due, measured)
        } else {
            Next::Full
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of calls are far below 2^53")]
    fn warmup(&self, rate: &Rate) -> Option<Instant> {
        let at = self.warmups as f64 / rate.first();
        let length = self.begin.saturating_duration_since(self.warm);
        (at < length.as_secs_f64()).then(|| self.warm + Duration::from_secs_f64(at))
    }

    /// A call was sent.
    pub fn sent(&mut self, measured: bool) {
        if measured {
            self.measured += 1;
        } else {
            self.warmups += 1;
        }
    }

    /// Measured calls that were due and were not sent.
    pub fn not_sent(&self) -> u64 {
        let Some(rate) = &self.rate else { return 0 };
        (self.measured..).take_while(|n| rate.due(*n, self.length).is_some()).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rate: Option<&str>) -> LoadPlan {
        LoadPlan {
            connections: 1,
            concurrency: Some(2),
            rate: rate.map(|rate| rate.parse().unwrap()),
            duration: Duration::from_secs(1),
            warmup: Duration::from_millis(500),
            thresholds: Vec::new(),
            emulated: false,
        }
    }

    #[test]
    fn a_closed_loop_sends_when_one_has_ended() {
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        let pace = Pace::new(&plan(None), start, Duration::ZERO);
        assert_eq!(pace.next(ms(10), 1), Next::Send(ms(10), false));
        assert_eq!(pace.next(ms(500), 1), Next::Send(ms(500), true));
        assert_eq!(pace.next(ms(500), 2), Next::Full);
        assert_eq!((pace.next(ms(1500), 0), pace.not_sent()), (Next::Over, 0));
    }

    #[test]
    fn an_open_loop_keeps_its_times_whatever_happens() {
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        let mut pace = Pace::new(&plan(Some("4")), start, Duration::from_secs(1));
        assert_eq!(pace.next(ms(10), 0), Next::Send(start, false));
        pace.sent(false);
        assert_eq!(pace.next(ms(10), 0), Next::At(ms(250)));
        pace.sent(false);
        // A stall: the calls of it are due at their own times.
        for n in [500, 750] {
            assert_eq!(pace.next(ms(900), 0), Next::Send(ms(n), true));
            pace.sent(true);
        }
        assert_eq!((pace.next(ms(2000), 2), pace.not_sent()), (Next::Full, 2));
        assert_eq!(pace.next(ms(2000), 1), Next::Send(ms(1000), true), "late, but still sent");
        assert_eq!((pace.next(ms(2501), 0), pace.not_sent()), (Next::Over, 2));
        pace.sent(true);
        pace.sent(true);
        assert_eq!((pace.next(ms(2000), 0), pace.not_sent()), (Next::Over, 0));
    }
}
